/**
 * Several sequences as one, each as often as its weight says. The run is cut into rounds of as many positions as the reduced
 * weights sum to; in each round a part has exactly its weight of them, in a keyed order. So the k-th sample of a part is found
 * from the position alone, and every part is gone through, pass after pass of its own.
 */
import { keepLatest } from './arrangement.js';
import { createPermutation, MAX_SAMPLES } from './permutation.js';
import type { Sequence } from './sequence.js';

export interface WeightedPart {
  /** A positive integer; only the ratios count. */
  readonly weight: number;
  readonly sequence: Sequence;
}

const MODULUS = 2 ** 32;

/**
 * A pass of the mix has as many positions as the passes of its parts together. Unless `isShuffled` the parts take their turns in
 * order. Throws RangeError when there is no part, or a weight is no positive integer, or they sum to more than 2^40.
 */
export function createMix(parts: readonly WeightedPart[], seed: number, isShuffled: boolean): Sequence {
  for (const { weight } of parts) {
    if (!Number.isSafeInteger(weight) || weight < 1) {
      throw new RangeError(`expected weights to be positive integers, got ${weight}`);
    }
  }
  const divisor = parts.reduce((common, { weight }) => greatestCommonDivisor(common, weight), 0);
  // `begins[i]` is the first slot of part i in a round; one more at the end.
  const begins = new Float64Array(parts.length + 1);
  parts.forEach(({ weight }, i) => {
    begins[i + 1] = begins[i] + weight / divisor;
  });
  const roundLength = begins[parts.length];
  if (!(roundLength >= 1 && roundLength <= MAX_SAMPLES)) {
    throw new RangeError(`expected weights that sum to 1 to 2^40, got ${roundLength}`);
  }
  const length = parts.reduce((sum, { sequence }) => sum + sequence.length, 0);
  const roundOf = keepLatest((round) => createPermutation({ numSamples: roundLength, seed, epoch: round % MODULUS }));

  return {
    length,
    at(pass, position) {
      const runPosition = pass * length + position;
      if (!Number.isSafeInteger(runPosition))
        throw new RangeError(`expected a pass below 2^53 / ${length}, got ${pass}`);
      const round = Math.floor(runPosition / roundLength);
      const turn = runPosition % roundLength;
      const slot = isShuffled ? roundOf(round).at(turn) : turn;
      const part = partOf(begins, slot);
      const { sequence } = parts[part];
      const index = round * (begins[part + 1] - begins[part]) + (slot - begins[part]);
      return sequence.at(Math.floor(index / sequence.length) % MODULUS, index % sequence.length);
    },
  };
}

/** The part whose slots hold `slot`, by bisection. */
function partOf(begins: Float64Array, slot: number): number {
  let low = 0;
  let high = begins.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (begins[middle] <= slot) low = middle;
    else high = middle - 1;
  }
  return low;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
