/**
 * The one kernel of batch assembly: a window of a stored sample, mirrored if need be, into a batch's layout and channel order.
 * It only moves values, so that the same code places pixels and the mean image that is subtracted from them.
 */
import type { ChannelOrder, Layout, SampleShape } from './tensor.js';

/** Which part of a sample is taken. */
export interface CropWindow {
  /** Row and column of the upper left corner in the stored image. */
  readonly y: number;
  readonly x: number;
  readonly height: number;
  readonly width: number;
  readonly isMirrored: boolean;
}

type Pixels = Uint8Array | Float32Array;

/**
 * Copies a window out of `source` (planar `[C, H, W]`, B, G, R) to `target` at `offset`, as `[H, W, C]` or `[C, H, W]` of the
 * window's size. Values are converted by the target's type only. Window and offset must fit; nothing is checked.
 */
export function copyCrop(
  target: Pixels,
  offset: number,
  source: Pixels,
  { height, width, channels }: SampleShape,
  window: CropWindow,
  layout: Layout,
  channelOrder: ChannelOrder,
): void {
  const pixelStride = layout === 'NHWC' ? channels : 1;
  const rowStride = window.width * pixelStride;
  const planeStride = layout === 'NHWC' ? 1 : window.height * window.width;
  const step = window.isMirrored ? -pixelStride : pixelStride;
  const firstColumn = window.isMirrored ? (window.width - 1) * pixelStride : 0;
  for (let channel = 0; channel < channels; channel++) {
    const targetChannel = channelOrder === 'BGR' ? channel : channels - 1 - channel;
    for (let row = 0; row < window.height; row++) {
      let from = (channel * height + window.y + row) * width + window.x;
      let to = offset + targetChannel * planeStride + row * rowStride + firstColumn;
      for (const end = from + window.width; from < end; from++, to += step) target[to] = source[from];
    }
  }
}
