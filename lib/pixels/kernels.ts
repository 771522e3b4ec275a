/**
 * The kernels of `kernels/*.ts`, compiled to WebAssembly with SIMD, and the memory that they work in. An image is decoded into
 * that memory or copied there, and resized within it.
 */
import { areaTaps } from './area-taps.js';
import type { FittedImage } from './fit.js';
import type { PlanarImage, Size } from './image.js';
import { instantiateKernels, PAGE_BYTES, type KernelExports } from './kernels-module.js';
import { layTaps, paddedColumns, tapPlaces } from './laid-taps.js';

/** All that 32 bits can address; what an image may take is limited by its pixels. */
const MAX_PAGES = 65_536;
const ALIGNMENT = 64;
/** Kernels read, and ignore, this much past the image's end. */
const SLACK_BYTES = 64;
const NUM_CHANNELS = 3;

/** One memory and one image at a time. It keeps the memory of the largest image that it has had. */
export class PixelKernels {
  private readonly memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES });
  private readonly kernels: KernelExports;
  private source: Size = { width: 0, height: 0 };
  private endOfSource = 0;
  private used = 0;

  /**
   * Throws ERR_NOT_FOUND when the kernels have not been built.
   *
   * @param allocate gives the array, of that many bytes, that an image is returned in
   */
  constructor(private readonly allocate = newArray) {
    this.kernels = instantiateKernels(this.memory);
  }

  /** Bytes of memory that are held. */
  get numBytes(): number {
    return this.memory.buffer.byteLength;
  }

  /**
   * Room for a decoded image, to be filled: interleaved `[height, width, 3]` in R, G, B order. It takes the place of the image
   * before and can be resized any number of times; the view of it is valid until the next call of any method.
   */
  place(image: Size): Uint8Array {
    this.source = image;
    this.used = ALIGNMENT;
    const numBytes = image.width * image.height * NUM_CHANNELS;
    const at = this.reserve(numBytes + SLACK_BYTES);
    this.endOfSource = this.used;
    return new Uint8Array(this.memory.buffer, at, numBytes);
  }

  /** The placed image as it is, planar. */
  toPlanar(): PlanarImage {
    const whole = { ...this.source, left: 0, top: 0 };
    return this.resizeBilinear({ part: whole, target: this.source });
  }

  /** The bytes of `resizeBilinear` in `resize-bilinear.ts` for that part of the placed image. */
  resizeBilinear({ part, target: { width, height } }: FittedImage): PlanarImage {
    const { source, stride } = this.locate(part);
    const target = this.beginTarget({ width, height });
    if (part.width === width && part.height === height) {
      this.kernels.toPlanar(source, stride, target, width, height);
    } else if (part.width === 2 * width && part.height === 2 * height) {
      this.kernels.halve(source, stride, target, width, height);
    } else {
      const { offsets, weights, rows, end } = tapPlaces(this.used, { width, height });
      this.reserve(end - this.used);
      const scratch = this.reserve(paddedColumns(width) * 12);
      layTaps(this.memory.buffer, { offsets, weights, rows, end }, part, { width, height }, NUM_CHANNELS);
      this.kernels.resizeBilinear(source, stride, offsets, weights, rows, scratch, target, width, height);
    }
    return this.take(target, { width, height });
  }

  /** The bytes of `resizeArea` in `resize-area.ts` for that part of the placed image. */
  resizeArea({ part, target: { width, height } }: FittedImage): PlanarImage {
    const { source, stride } = this.locate(part);
    const target = this.beginTarget({ width, height });
    if (part.width === width && part.height === height) {
      this.kernels.toPlanar(source, stride, target, width, height);
    } else {
      const across = areaTaps(part.width, width);
      const down = areaTaps(part.height, height);
      this.kernels.resizeArea(
        source,
        stride,
        this.put(across.first.map((first) => first * NUM_CHANNELS)),
        this.put(across.weights),
        across.numTaps,
        this.put(down.first),
        this.put(down.weights),
        down.numTaps,
        this.reserve((width + 1) * 32),
        target,
        width,
        height,
      );
    }
    return this.take(target, { width, height });
  }

  private locate(part: FittedImage['part']): { readonly source: number; readonly stride: number } {
    const stride = this.source.width * NUM_CHANNELS;
    return { source: ALIGNMENT + part.top * stride + part.left * NUM_CHANNELS, stride };
  }

  /** Address of that many bytes more. What was reserved since {@link place} stays, but views of the memory may be detached. */
  private reserve(numBytes: number): number {
    const at = this.used;
    this.used = Math.ceil((at + numBytes) / ALIGNMENT) * ALIGNMENT;
    const missing = this.used - this.numBytes;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return at;
  }

  /** What was reserved for the target before goes. */
  private beginTarget({ width, height }: Size): number {
    this.used = this.endOfSource;
    return this.reserve(width * height * NUM_CHANNELS);
  }

  private put(values: Int32Array | Int16Array): number {
    const at = this.reserve(values.byteLength);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  private take(target: number, size: Size): PlanarImage {
    const { width, height } = size;
    const data = this.allocate(width * height * NUM_CHANNELS);
    data.set(new Uint8Array(this.memory.buffer, target, data.length));
    return { width, height, channels: NUM_CHANNELS, data };
  }
}

function newArray(numBytes: number): Uint8Array {
  return new Uint8Array(numBytes);
}
