/**
 * Exact sums, and sums of squares, of each pixel over many images: what a mean image and its deviation are made of. Adding an
 * image to eight bytes of sums a pixel is bound by memory, so images are gathered and added several at a time.
 */
import { instantiateKernels, PAGE_BYTES, type KernelExports } from './kernels-module.js';

/** All arrays are as long as an image has values, in its order. */
export interface Moments {
  readonly numImages: number;
  /** Integers; exact up to 2^53, which squares reach after 138 billion images. */
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

/** Values that the kernel takes at a time. */
const LANES = 16;
/** Images gathered; fewer when they are large, but always an even number. */
const MAX_GATHERED = 8;
const MAX_GATHERED_BYTES = 8 << 20;
/** So many squares of 255 fit 32 bits, and some less. */
const MAX_IMAGES_IN_32_BITS = 66_000;

export class PixelMoments {
  private readonly kernels: KernelExports;
  private readonly paddedBytes: number;
  private readonly capacity: number;
  private readonly gathered: Uint8Array;
  private readonly sums32: Uint32Array;
  private readonly squares32: Uint32Array;
  private readonly sums: Float64Array;
  private readonly squares: Float64Array;
  private numGathered = 0;
  private numIn32Bits = 0;
  private numImages = 0;

  /** Throws ERR_NOT_FOUND when the kernels have not been built, RangeError when there is no memory for images of that size. */
  constructor(private readonly numValues: number) {
    this.paddedBytes = Math.ceil(numValues / LANES) * LANES;
    this.capacity = Math.min(MAX_GATHERED, Math.max(2, 2 * Math.floor(MAX_GATHERED_BYTES / this.paddedBytes / 2)));
    const gatheredBytes = this.capacity * this.paddedBytes;
    const numPages = Math.ceil((gatheredBytes + 8 * this.paddedBytes) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: numPages, maximum: numPages });
    this.kernels = instantiateKernels(memory);
    this.gathered = new Uint8Array(memory.buffer, 0, gatheredBytes);
    this.sums32 = new Uint32Array(memory.buffer, gatheredBytes, this.paddedBytes);
    this.squares32 = new Uint32Array(memory.buffer, gatheredBytes + 4 * this.paddedBytes, this.paddedBytes);
    this.sums = new Float64Array(numValues);
    this.squares = new Float64Array(numValues);
  }

  /** Adds an image of `numValues` values; the caller keeps the array. */
  add(pixels: Uint8Array): void {
    if (pixels.length !== this.numValues) {
      throw new RangeError(`expected an image of ${this.numValues} values, got ${pixels.length}`);
    }
    this.gathered.set(pixels, this.numGathered * this.paddedBytes);
    this.numImages++;
    if (++this.numGathered === this.capacity) this.addGathered();
  }

  /** Of all images so far. The arrays are this object's, and change when an image is added. */
  moments(): Moments {
    this.addGathered();
    this.widen();
    return { numImages: this.numImages, sums: this.sums, squares: this.squares };
  }

  private addGathered(): void {
    const { numGathered, paddedBytes, gathered, sums32, squares32 } = this;
    if (numGathered === 0) return;
    const even = numGathered + (numGathered % 2);
    gathered.fill(0, numGathered * paddedBytes, even * paddedBytes);
    this.kernels.addMoments(gathered.byteOffset, even, paddedBytes, sums32.byteOffset, squares32.byteOffset);
    this.numIn32Bits += numGathered;
    this.numGathered = 0;
    if (this.numIn32Bits + this.capacity > MAX_IMAGES_IN_32_BITS) this.widen();
  }

  private widen(): void {
    for (let i = 0; i < this.numValues; i++) {
      this.sums[i] += this.sums32[i];
      this.squares[i] += this.squares32[i];
    }
    this.sums32.fill(0);
    this.squares32.fill(0);
    this.numIn32Bits = 0;
  }
}
