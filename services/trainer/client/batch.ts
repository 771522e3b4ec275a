/** What a trainer gets. */
import type { ChannelOrder, Layout } from '../../../lib/core/tensor.js';

/** One rank's batch of one step. The arrays belong to the receiver. */
export interface Batch {
  readonly epoch: number;
  readonly step: number;
  /** Whether this is the last step of its epoch. */
  readonly isLastStep: boolean;
  /** `[N, H, W, C]` or `[N, C, H, W]`, as `layout` says. */
  readonly shape: readonly [number, number, number, number];
  readonly layout: Layout;
  readonly channelOrder: ChannelOrder;
  /** Mean-subtracted and scaled pixels, `shape` long. */
  readonly images: Float32Array;
  /** Labels, `[N]`. */
  readonly labels: Int32Array;
  /** Sample ids, `[N]`, each in `[0, numSamples)`. */
  readonly ids: Float64Array;
  /** 0 for padding, `[N]`: a sample that was served before in this epoch and must not count. */
  readonly isValid: Uint8Array;
}

/** The address of the next batch wanted: with the seed, all that a run has to keep to go on where it stopped. */
export interface StreamPosition {
  readonly epoch: number;
  readonly step: number;
}
