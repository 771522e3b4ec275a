/** One way of a batch through a network: what it is computed with, and what it leaves behind when it is for learning. */
import type { Rank, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Tf } from '../../backend/tf.js';

export interface Pass {
  readonly tf: Tf;
  /** Parameters and statistics by name; they stay their owner's. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Undefined: inference, in which nothing is dropped and running statistics stand in for the batch's own. */
  readonly training?: TrainingPass | undefined;
}

/** What sets a pass for learning apart. */
export interface TrainingPass {
  /** 32-bit key of the dropout masks: another one for each batch, the same when the batch is gone through again. */
  readonly dropoutKey: number;
  /** Layers put their running statistics here as they are after this batch; kept tensors, the caller's to dispose of. */
  readonly statistics: Map<string, Tensor>;
  /** Auxiliary heads put their logits here. */
  readonly auxiliary: AuxiliaryLogits[];
}

export interface AuxiliaryLogits {
  /** `[N, numClasses]` */
  readonly logits: Tensor2D;
  /** Factor of this head's loss in the sum of losses. */
  readonly lossWeight: number;
}

/** A parameter or statistic of this pass. Throws Error when there is none of that name: a bug. */
export function tensorOf<R extends Rank = Rank>({ tensors }: Pass, name: string): Tensor<R> {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`the model has no tensor ${name}`);
  return tensor as Tensor<R>;
}
