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
  /** Mean-subtracted, scaled and mixed pixels, `shape` long. With ten crops `N` is ten times the batch size, and so below. */
  readonly images: Float32Array;
  /** Each sample's own label, `[N]`. */
  readonly labels: Int32Array;
  /** Labels as probabilities, `[N, numClasses]`: one-hot, smoothed, mixed; when asked for. */
  readonly targets?: Float32Array;
  /** Sample ids, `[N]`, each in `[0, numSamples)`, dense over all splits of the stream. */
  readonly ids: Float64Array;
  /** 0 for padding, `[N]`: a sample that was served before in this epoch and must not count. */
  readonly isValid: Uint8Array;
}

/** The address of the next batch wanted: with the seed, all that a run has to keep to go on where it stopped. */
export interface StreamPosition {
  readonly epoch: number;
  readonly step: number;
}
