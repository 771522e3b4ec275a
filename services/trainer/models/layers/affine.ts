/** What convolutions and fully connected layers have in common: a weight whose last axis counts outputs, and a bias. */
import type { Filler, ParameterSpec } from '../parameter-spec.js';

export interface AffineFillers {
  readonly weight: Filler;
  /** First value of the bias, or `none` for a layer without one. */
  readonly bias: number | 'none';
}

/** Multipliers as in Caffe's reference models: a bias learns twice as fast and does not decay. */
export function affineParameters(
  name: string,
  shape: readonly number[],
  { weight, bias }: AffineFillers,
): readonly ParameterSpec[] {
  const parameters: ParameterSpec[] = [
    { name: `${name}.weight`, shape, filler: weight, rateMultiplier: 1, decayMultiplier: 1, isAuxiliary: false },
  ];
  if (bias !== 'none') {
    parameters.push({
      name: `${name}.bias`,
      shape: shape.slice(-1),
      filler: { type: 'constant', value: bias },
      rateMultiplier: 2,
      decayMultiplier: 0,
      isAuxiliary: false,
    });
  }
  return parameters;
}
