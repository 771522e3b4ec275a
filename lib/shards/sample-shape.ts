/** What is known of samples before any is made. Apart from the manifest's schema, which workers need not load. */
import type { SampleShape } from '../core/tensor.js';
import type { PrepareOptions } from './manifest.js';

/** The shape of every sample that is made with these options, as it is served; null when samples differ in shape. */
export function shapeOf({ size, resize, fit }: Pick<PrepareOptions, 'size' | 'resize' | 'fit'>): SampleShape | null {
  if (size === undefined || resize === 'none' || fit === 'short-side') return null;
  return { height: size, width: size, channels: 3 };
}
