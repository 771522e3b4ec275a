/** Which source pixels make an output pixel in OpenCV's INTER_LINEAR, and how much of each: one axis of an image. */

const WEIGHT_ONE = 2048;

/** For each output position: its two source positions and their weights, which sum to about 2048. */
export interface BilinearTaps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly firstWeight: Int32Array;
  readonly secondWeight: Int32Array;
}

/**
 * Along x a tap outside the image moves the whole weight to the border pixel; along y only the row index is clamped and the
 * weights stay. The two differ by rounding.
 */
export function bilinearTaps(sourceSize: number, targetSize: number, axis: 'across' | 'down'): BilinearTaps {
  const taps = {
    first: new Int32Array(targetSize),
    second: new Int32Array(targetSize),
    firstWeight: new Int32Array(targetSize),
    secondWeight: new Int32Array(targetSize),
  };
  const scale = 1 / (targetSize / sourceSize);
  const last = sourceSize - 1;
  for (let i = 0; i < targetSize; i++) {
    const position = Math.fround((i + 0.5) * scale - 0.5);
    let index = Math.floor(position);
    let fraction = Math.fround(position - index);
    if (axis === 'across' && (index < 0 || index >= last)) {
      index = index < 0 ? 0 : last;
      fraction = 0;
    }
    taps.first[i] = Math.min(Math.max(index, 0), last);
    taps.second[i] = Math.min(Math.max(index + 1, 0), last);
    taps.firstWeight[i] = roundHalfEven(Math.fround(Math.fround(1 - fraction) * WEIGHT_ONE));
    taps.secondWeight[i] = roundHalfEven(Math.fround(fraction * WEIGHT_ONE));
  }
  return taps;
}

/** C's `lrint`: to the nearest integer, a half to the even one. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
