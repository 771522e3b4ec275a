/** What a model keeps: the tensors that it learns, and those that only follow the batches. */

/** How a parameter gets its first values, by Caffe's names. */
export type Filler =
  | { readonly type: 'constant'; readonly value: number }
  /** Normal with mean 0. */
  | { readonly type: 'gaussian'; readonly std: number }
  /** Uniform with mean 0 and variance 1 / fan-in (Glorot and Bengio 2010, as Caffe has it). */
  | { readonly type: 'xavier' }
  /** Normal with mean 0 and variance 2 / fan, for layers before a ReLU (He et al. 2015). */
  | { readonly type: 'msra'; readonly varianceNorm: 'fan_in' | 'fan_out' };

/** One tensor that is learnt. */
export interface ParameterSpec {
  /** `<layer>.weight` or `<layer>.bias`, unique in the model; also its name in a checkpoint. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly filler: Filler;
  /** Factor on the learning rate: Caffe's `lr_mult`. */
  readonly rateMultiplier: number;
  /** Factor on the weight decay: Caffe's `decay_mult`. */
  readonly decayMultiplier: number;
  /** Whether only training needs it: it belongs to an auxiliary head. */
  readonly isAuxiliary: boolean;
}

/** One tensor that is not learnt but follows the batches: a running mean or variance. It is kept with the weights. */
export interface StatisticSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its value before the first batch. */
  readonly initialValue: number;
}

/** Number of values of a tensor; 1 for a scalar's `[]`. */
export function numElementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
