/** Element types, layouts and shapes of batches; the names are the field's. */

export type Dtype = 'uint8' | 'float32' | 'float16' | 'bfloat16';
export type Layout = 'NHWC' | 'NCHW';
export type ChannelOrder = 'BGR' | 'RGB';

/** Shape of a stored sample, in pixels. Stored planar, `[channels, height, width]`, in B, G, R order, as Caffe has it. */
export interface SampleShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export const BYTES_PER_ELEMENT: Readonly<Record<Dtype, number>> = { uint8: 1, float32: 4, float16: 2, bfloat16: 2 };

export function numElements(shape: SampleShape): number {
  return shape.height * shape.width * shape.channels;
}

/** `[H, W, C]` or `[C, H, W]`. */
export function shapeInLayout(shape: SampleShape, layout: Layout): readonly [number, number, number] {
  return layout === 'NHWC' ? [shape.height, shape.width, shape.channels] : [shape.channels, shape.height, shape.width];
}
