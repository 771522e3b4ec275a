/** What a solver is set to. */
import type { LearningRate } from './learning-rate.js';
import type { UpdateRuleName } from './update-rules.js';

export interface SolverSettings {
  readonly rule: UpdateRuleName;
  readonly learningRate: LearningRate;
  /** `[0, 1)`; Adam's first beta. */
  readonly momentum: number;
  /** Adam's second beta, `[0, 1)`; the other rules have none. */
  readonly momentum2: number;
  /** Adam's epsilon. */
  readonly delta: number;
  /** Factor of the L2 penalty's gradient. */
  readonly weightDecay: number;
  /** Batches whose mean gradient makes one step: Caffe's `iter_size`. */
  readonly iterSize: number;
  /** Share of the target that is spread over all classes (Szegedy et al. 2015), `[0, 1)`. */
  readonly labelSmoothing: number;
}

/** Caffe's usual numbers. */
export const DEFAULT_SOLVER: SolverSettings = {
  rule: 'sgd',
  learningRate: { policy: { type: 'fixed', baseRate: 0.01 }, numWarmUpSteps: 0 },
  momentum: 0.9,
  momentum2: 0.999,
  delta: 1e-8,
  weightDecay: 0.0005,
  iterSize: 1,
  labelSmoothing: 0,
};
