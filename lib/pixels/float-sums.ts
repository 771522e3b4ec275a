/** Sums of pixels in float32, image after image: they lose what Caffe's compute_image_mean loses, to the last bit. */
import { instantiateKernels, PAGE_BYTES, type KernelExports } from './kernels-module.js';

/** Values that the kernel takes at a time. */
const LANES = 16;

export class FloatSums {
  /** As long as an image; changes with each that is added. */
  readonly sums: Float32Array;
  private readonly kernels: KernelExports;
  private readonly image: Uint8Array;

  /** Throws ERR_NOT_FOUND when the kernels have not been built, RangeError when there is no memory for images of that size. */
  constructor(numValues: number) {
    const paddedBytes = Math.ceil(numValues / LANES) * LANES;
    const numPages = Math.ceil((5 * paddedBytes) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: numPages, maximum: numPages });
    this.kernels = instantiateKernels(memory);
    this.sums = new Float32Array(memory.buffer, 0, numValues);
    this.image = new Uint8Array(memory.buffer, 4 * paddedBytes, paddedBytes);
  }

  /** Adds an image of as many values as there are sums; the caller keeps the array. */
  add(pixels: Uint8Array): void {
    if (pixels.length !== this.sums.length) {
      throw new RangeError(`expected an image of ${this.sums.length} values, got ${pixels.length}`);
    }
    this.image.set(pixels);
    this.kernels.addFloats(this.image.byteOffset, this.image.length, this.sums.byteOffset);
  }
}
