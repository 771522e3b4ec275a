/** The WebAssembly module that `kernels/*.ts` are compiled to: what it exports, and how to have it work in a memory. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '../core/errors.js';
import { packageRoot } from '../platform/package-root.js';

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

/** Compiled once a process, so that code V8 has optimised stays. */
let compiled: WebAssembly.Module | undefined;

/** The kernels, to work in that memory. Throws ERR_NOT_FOUND when they have not been built. */
export function instantiateKernels(memory: WebAssembly.Memory): KernelExports {
  if (compiled === undefined) {
    const path = join(packageRoot(), 'dist', 'lib', 'pixels', 'kernels.wasm');
    if (!existsSync(path)) {
      throw new MillraceError('ERR_NOT_FOUND', `${path} is not there; "make build" makes it`, { context: { path } });
    }
    compiled = new WebAssembly.Module(readFileSync(path));
  }
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as KernelExports;
}
