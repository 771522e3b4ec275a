import type { Tf } from './tf.js';

export interface BackendOptions {
  /** Whether `webgpu` may take an adapter that only imitates a GPU; `auto` never does. Default false. */
  readonly allowSoftwareGpu?: boolean;
}

/** What each backend's own file opens. */
export interface OpenedBackend {
  readonly tf: Tf;
  /** What computes, for people: "WebAssembly with SIMD, 1 thread". */
  readonly device: string;
}
