/** Learning rate policies, by Caffe's names and formulas, and cosine beside them: pure functions of the run's step. */

interface Policy {
  readonly baseRate: number;
}

export type LearningRatePolicy =
  | (Policy & { readonly type: 'fixed' })
  /** `baseRate · gamma^⌊step / stepSize⌋` */
  | (Policy & { readonly type: 'step'; readonly gamma: number; readonly stepSize: number })
  /** `baseRate · gamma^(number of stepValues reached)`; the values ascend. */
  | (Policy & { readonly type: 'multistep'; readonly gamma: number; readonly stepValues: readonly number[] })
  /** `baseRate · gamma^step` */
  | (Policy & { readonly type: 'exp'; readonly gamma: number })
  /** `baseRate · (1 + gamma · step)^-power` */
  | (Policy & { readonly type: 'inv'; readonly gamma: number; readonly power: number })
  /** `baseRate · (1 - step / maxSteps)^power`; 0 from maxSteps on. */
  | (Policy & { readonly type: 'poly'; readonly power: number; readonly maxSteps: number })
  /** `baseRate / (1 + e^(-gamma · (step - stepSize)))` */
  | (Policy & { readonly type: 'sigmoid'; readonly gamma: number; readonly stepSize: number })
  /** `baseRate · (1 + cos(π · step / maxSteps)) / 2`; 0 from maxSteps on. */
  | (Policy & { readonly type: 'cosine'; readonly maxSteps: number });

export interface LearningRate {
  readonly policy: LearningRatePolicy;
  /** Over so many steps the rate rises linearly to what the policy says (Goyal et al. 2017); 0: not at all. */
  readonly numWarmUpSteps: number;
}

/** The rate of the run's step `step`, counted from 0 over all epochs. */
export function learningRateAt({ policy, numWarmUpSteps }: LearningRate, step: number): number {
  return policy.baseRate * factorAt(policy, step) * Math.min(1, (step + 1) / Math.max(1, numWarmUpSteps));
}

function factorAt(policy: LearningRatePolicy, step: number): number {
  switch (policy.type) {
    case 'fixed':
      return 1;
    case 'step':
      return policy.gamma ** Math.floor(step / policy.stepSize);
    case 'multistep':
      return policy.gamma ** policy.stepValues.filter((value) => step >= value).length;
    case 'exp':
      return policy.gamma ** step;
    case 'inv':
      return (1 + policy.gamma * step) ** -policy.power;
    case 'poly':
      return Math.max(0, 1 - step / policy.maxSteps) ** policy.power;
    case 'sigmoid':
      return 1 / (1 + Math.exp(-policy.gamma * (step - policy.stepSize)));
    case 'cosine':
      return (1 + Math.cos(Math.PI * Math.min(1, step / policy.maxSteps))) / 2;
  }
}
