/** How convolutions and poolings lay their windows over an image: one axis of it. */
import { UsageError } from '../../../../lib/core/errors.js';

export interface Window {
  readonly size: number;
  readonly stride: number;
  /** Rows of zeros (for a maximum: of nothing) before and after. `same`: so many that the output is ⌈input / stride⌉ long. */
  readonly pad: number | 'same';
}

/** Where windows lie along an axis. */
export interface WindowPlaces {
  readonly numWindows: number;
  readonly padBefore: number;
  readonly padAfter: number;
}

/**
 * With `ceil` a last window may reach past the padded edge, as Caffe's poolings have it, though never begin there.
 * Throws UsageError when not one window fits.
 */
export function placeWindows(length: number, { size, stride, pad }: Window, rounding: 'floor' | 'ceil'): WindowPlaces {
  if (pad === 'same') {
    const numWindows = Math.ceil(length / stride);
    const numPadded = Math.max(0, (numWindows - 1) * stride + size - length);
    return { numWindows, padBefore: numPadded >> 1, padAfter: (numPadded + 1) >> 1 };
  }
  const room = length + 2 * pad - size;
  if (room < 0) {
    throw new UsageError(
      'model',
      `model: the images are too small; ${size} pixels do not fit into a layer's ${length}`,
    );
  }
  if (rounding === 'floor') return { numWindows: Math.floor(room / stride) + 1, padBefore: pad, padAfter: pad };
  let numWindows = Math.ceil(room / stride) + 1;
  if (pad > 0 && (numWindows - 1) * stride >= length + pad) numWindows--;
  return { numWindows, padBefore: pad, padAfter: Math.max(0, (numWindows - 1) * stride + size - length - pad) };
}

/** Both axes of an `[N, H, W, C]` tensor, as tfjs takes them. */
export function explicitPadding(
  { padBefore: top, padAfter: bottom }: WindowPlaces,
  { padBefore: left, padAfter: right }: WindowPlaces,
): [[number, number], [number, number], [number, number], [number, number]] {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ];
}
