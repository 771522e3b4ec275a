/** Which source pixels make an output pixel in `--resize area`, and how much of each: one axis of an image. */

/** A weight's fixed point: the weights of an output position sum to exactly this. */
export const AREA_WEIGHT_ONE = 1 << 14;

export interface AreaTaps {
  /** Of each output position: the source position of its first tap. */
  readonly first: Int32Array;
  /** Taps of an output position, the same for all; a multiple of 2. The spare ones, at the end, weigh nothing. */
  readonly numTaps: number;
  /** `[first.length, numTaps]`; none is negative, and each row's sum is {@link AREA_WEIGHT_ONE}. */
  readonly weights: Int16Array;
}

/**
 * An axis that shrinks takes each source pixel by the share of it that the output pixel covers, as OpenCV's INTER_AREA does.
 * One that grows is interpolated between the centres of two neighbours; a pixel's area would give blocks.
 */
export function areaTaps(sourceSize: number, targetSize: number): AreaTaps {
  return sourceSize > targetSize ? coveringTaps(sourceSize, targetSize) : linearTaps(sourceSize, targetSize);
}

function coveringTaps(sourceSize: number, targetSize: number): AreaTaps {
  const first = new Int32Array(targetSize);
  const beginOf = (i: number): number => (i * sourceSize) / targetSize;
  // A stretch of this length that begins within a pixel touches at most one pixel more than its length rounded up.
  const numTaps = roundUpToEven(Math.ceil(sourceSize / targetSize) + 1);
  const weights = new Int16Array(targetSize * numTaps);
  for (let i = 0; i < targetSize; i++) {
    const begin = beginOf(i);
    const end = beginOf(i + 1);
    first[i] = Math.floor(begin);
    let before = 0;
    for (let tap = 0; before < AREA_WEIGHT_ONE; tap++) {
      // Rounding the running sum, not each weight, keeps the whole exact.
      const covered = Math.min(first[i] + tap + 1, end) - begin;
      const sum = Math.round((covered / (end - begin)) * AREA_WEIGHT_ONE);
      weights[i * numTaps + tap] = sum - before;
      before = sum;
    }
  }
  return { first, numTaps, weights };
}

function linearTaps(sourceSize: number, targetSize: number): AreaTaps {
  const first = new Int32Array(targetSize);
  const weights = new Int16Array(targetSize * 2);
  for (let i = 0; i < targetSize; i++) {
    const centre = ((i + 0.5) * sourceSize) / targetSize - 0.5;
    const position = Math.min(Math.max(centre, 0), sourceSize - 1);
    first[i] = Math.floor(position);
    const second = Math.round((position - first[i]) * AREA_WEIGHT_ONE);
    weights[i * 2] = AREA_WEIGHT_ONE - second;
    weights[i * 2 + 1] = second;
  }
  return { first, numTaps: 2, weights };
}

function roundUpToEven(value: number): number {
  return value + (value & 1);
}
