/** The WebAssembly module that `kernels/*.ts` are compiled to: what it exports, and how to have it work in a memory. */
import { instantiateCompiled } from './compiled-kernels.js';

/** Of WebAssembly's memory. */
export const PAGE_BYTES = 65_536;

/** Addresses and strides are in bytes; `kernels/*.ts` says what lies there. */
export interface KernelExports {
  toPlanar(source: number, stride: number, target: number, width: number, height: number): void;
  halve(source: number, stride: number, target: number, width: number, height: number): void;
  resizeBilinear(
    source: number,
    stride: number,
    offsets: number,
    weights: number,
    rows: number,
    scratch: number,
    target: number,
    width: number,
    height: number,
  ): void;
  resizeArea(
    source: number,
    stride: number,
    offsets: number,
    weights: number,
    numTaps: number,
    firstRows: number,
    rowWeights: number,
    numRowTaps: number,
    scratch: number,
    target: number,
    width: number,
    height: number,
  ): void;
  addMoments(images: number, numImages: number, numBytes: number, sums: number, squares: number): void;
  addFloats(image: number, numBytes: number, sums: number): void;
}

/** The kernels, to work in that memory. Throws ERR_NOT_FOUND when they have not been built. */
export function instantiateKernels(memory: WebAssembly.Memory): KernelExports {
  return instantiateCompiled('kernels', memory) as KernelExports;
}
