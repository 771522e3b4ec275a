/** Placing samples in batches, by kernels of `kernels/samples/*.ts` in a memory that threads share. */
import { copyCrop, type CropWindow } from '../core/crop.js';
import { BYTES_PER_ELEMENT, numElements, type Dtype, type SampleShape } from '../core/tensor.js';
import { channelFactors, croppedShape, meanSource, type Mean, type Transform } from '../core/transform.js';
import type { Size } from './image.js';
import { instantiateSampleKernels } from './sample-kernels-module.js';

const DTYPE_CODE: Readonly<Record<Dtype, number>> = { uint8: 0, float32: 1, float16: 2, bfloat16: 3 };

/** Rearranges an image of that size at `source`, interleaved R, G, B, to one at `target`, planar B, G, R. Addresses of the memory. */
export type Planarizer = (source: number, target: number, size: Size) => void;

/** Throws ERR_NOT_FOUND when the kernel has not been built. */
export function createPlanarizer(memory: WebAssembly.SharedMemory): Planarizer {
  const kernels = instantiateSampleKernels(memory);
  return (source, target, { width, height }) => kernels.toPlanar(source, 3 * width, target, width, height);
}

/** Where a thread's placer works. All addresses are of the shared memory and must be multiples of 16. */
export interface PlacerRoom {
  /** {@link scratchBytes} long, of this thread alone. */
  readonly scratch: number;
  /** Where what {@link kernelValues} gave lies. */
  readonly values: number;
}

/** Places one sample: from `source`, where its planar pixels are, to `target`, where its elements go. */
export type SamplePlacer = (source: number, window: CropWindow, target: number) => void;

/** Bytes of {@link PlacerRoom.scratch}. */
export function scratchBytes(transform: Transform, stored: SampleShape): number {
  return 3 * croppedShape(stored, transform).width;
}

/** Parts of the kernel's values begin at multiples of so many. */
const VALUE_ALIGNMENT = 16;

/** Where in the kernel's values what lies, in elements; each is laid out as the batch is. */
interface ValuePlaces {
  /** A row of factors for each plane, from 0 on; `undefined`: they are all 1. */
  readonly factors: Float32Array | undefined;
  /** The mean of the source, or one row of it for each plane, and the same mirrored. */
  readonly plain: number;
  readonly mirrored: number;
  readonly length: number;
  readonly meanShape: SampleShape;
}

function placesOf(transform: Transform, source: SampleShape): ValuePlaces {
  const { width, channels } = source;
  const factors = channelFactors(transform, channels);
  const meanShape = transform.mean === 'image' ? source : { ...source, height: 1 };
  const align = (length: number): number => Math.ceil(length / VALUE_ALIGNMENT) * VALUE_ALIGNMENT;
  const plain = align(width * channels);
  const mirrored = plain + align(numElements(meanShape));
  return {
    factors: factors.every((factor) => factor === 1) ? undefined : factors,
    plain,
    mirrored,
    length: mirrored + numElements(meanShape),
    meanShape,
  };
}

/**
 * What the kernel takes away and multiplies by. Empty for uint8, which is not touched. `source` is the shape of what is cropped.
 */
export function kernelValues(transform: Transform, source: SampleShape, mean: Mean): Float32Array {
  if (transform.dtype === 'uint8') return new Float32Array();
  const { factors, plain, mirrored, length, meanShape } = placesOf(transform, source);
  const values = new Float32Array(length);
  const layOut = (at: number, planar: Float32Array, shape: SampleShape, isMirrored: boolean): void =>
    copyCrop(values, at, planar, shape, { ...shape, y: 0, x: 0, isMirrored }, transform.layout, transform.channelOrder);
  if (factors !== undefined) {
    const { width, channels } = source;
    const row = Float32Array.from({ length: width * channels }, (_, i) => factors[Math.floor(i / width)]);
    layOut(0, row, { ...source, height: 1 }, false);
  }
  const means = meanSource(transform, meanShape, mean);
  layOut(plain, means, meanShape, false);
  layOut(mirrored, means, meanShape, true);
  return values;
}

/**
 * What `copyCrop` and `createMeanSubtractor` of lib/core do with these options, to the last bit. `source` is the shape of what is
 * cropped.
 * Throws RangeError for NHWC with other than one or three channels, ERR_NOT_FOUND when the kernel has not been built.
 */
export function createSamplePlacer(
  memory: WebAssembly.SharedMemory,
  room: PlacerRoom,
  transform: Transform,
  source: SampleShape,
): SamplePlacer {
  const { dtype, layout, channelOrder, mean } = transform;
  const { width, channels } = source;
  if (layout === 'NHWC' && channels !== 1 && channels !== 3) {
    throw new RangeError(`expected one or three channels for NHWC, got ${channels}`);
  }
  const kernels = instantiateSampleKernels(memory);
  const places = placesOf(transform, source);
  const isInterleaved = layout === 'NHWC' && channels === 3;
  const isReversed = channelOrder === 'RGB';
  const code = DTYPE_CODE[dtype];
  const plane = width * source.height;
  const elementsPerPixel = isInterleaved ? 3 : 1;
  const isImage = mean === 'image';
  const meanStride = isImage ? width * elementsPerPixel * 4 : 0;
  const meanPlane = (isImage ? plane : width) * 4;
  const factors = places.factors === undefined ? 0 : room.values;

  return (pixels, window, target) => {
    const left = window.isMirrored ? width - window.x - window.width : window.x;
    const means = room.values + (window.isMirrored ? places.mirrored : places.plain) * 4;
    kernels.placeSample(
      pixels + window.y * width + window.x,
      width,
      plane,
      means + window.y * meanStride + left * elementsPerPixel * 4,
      meanStride,
      meanPlane,
      factors,
      width * 4,
      room.scratch,
      target,
      window.width,
      window.height,
      channels,
      code,
      window.isMirrored,
      isInterleaved,
      isReversed,
    );
  };
}

/** Bytes of one placed sample. */
export function placedBytes(transform: Transform, stored: SampleShape): number {
  return numElements(croppedShape(stored, transform)) * BYTES_PER_ELEMENT[transform.dtype];
}
