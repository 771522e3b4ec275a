/** Learning rate policies, by Caffe's names: pure functions of the run's step. */

export type LearningRatePolicy =
  | { readonly type: 'fixed'; readonly baseRate: number }
  /** `baseRate · gamma^⌊step / stepSize⌋` */
  | { readonly type: 'step'; readonly baseRate: number; readonly gamma: number; readonly stepSize: number };

/** The rate of the run's step `step`, counted from 0 over all epochs. */
export function learningRateAt(policy: LearningRatePolicy, step: number): number {
  switch (policy.type) {
    case 'fixed':
      return policy.baseRate;
    case 'step':
      return policy.baseRate * policy.gamma ** Math.floor(step / policy.stepSize);
  }
}
