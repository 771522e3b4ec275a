/** The WebAssembly module that `kernels/samples/*.ts` are compiled to: what it exports, and the memory, shared by threads, that it works in. */
import { instantiateCompiled } from './compiled-kernels.js';

/** Addresses, strides and planes are in bytes; `kernels/samples/*.ts` says what lies there. */
export interface SampleKernelExports {
  resizeCrop(
    source: number,
    stride: number,
    plane: number,
    channels: number,
    offsets: number,
    weights: number,
    rows: number,
    scratch: number,
    target: number,
    width: number,
    height: number,
  ): void;
  halveCrop(
    source: number,
    stride: number,
    plane: number,
    channels: number,
    target: number,
    width: number,
    height: number,
  ): void;
  blendTowards(...window: [...WindowPlace, towards: number, factor: number]): void;
  meanGrey(...window: WindowPlace): number;
  saturate(...window: [...WindowPlace, factor: number]): void;
  rotateHue(...window: [...WindowPlace, ...matrix: number[]]): void;
  addLevels(...window: [...WindowPlace, b: number, g: number, r: number]): void;
  toPlanar(source: number, stride: number, target: number, width: number, height: number): void;
  placeSample(
    source: number,
    stride: number,
    plane: number,
    means: number,
    meanStride: number,
    meanPlane: number,
    factors: number,
    factorPlane: number,
    scratch: number,
    target: number,
    width: number,
    height: number,
    channels: number,
    dtype: number,
    isMirrored: boolean,
    isInterleaved: boolean,
    isReversed: boolean,
  ): void;
}

/** A window of a planar image of three channels: its first pixel, and what leads to the others. */
export type WindowPlace = readonly [at: number, stride: number, plane: number, width: number, height: number];

const PAGE_BYTES = 65_536;
const MAX_BYTES = 65_536 * PAGE_BYTES;

/** A memory for the kernels and their threads, whose pages take room only once they are written to. At most 4 GiB. */
export function createSharedMemory(numBytes: number): WebAssembly.SharedMemory {
  const pages = Math.ceil(Math.min(numBytes, MAX_BYTES) / PAGE_BYTES);
  return new WebAssembly.Memory({
    initial: pages,
    maximum: pages,
    shared: true,
  }) as unknown as WebAssembly.SharedMemory;
}

/** The kernels, to work in that memory. Throws ERR_NOT_FOUND when they have not been built. */
export function instantiateSampleKernels(memory: WebAssembly.SharedMemory): SampleKernelExports {
  return instantiateCompiled('sample-kernels', memory) as SampleKernelExports;
}
