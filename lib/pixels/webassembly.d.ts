/** The part of WebAssembly's interface that is used here: TypeScript declares it only together with a browser's. */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: 'WebAssembly.Module';
  }
  const Module: new (bytes: Uint8Array) => Module;

  class Instance {
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory | SharedMemory } });
    readonly exports: object;
  }

  class Memory {
    /** In pages of 64 KiB. */
    constructor(limits: { readonly initial: number; readonly maximum: number; readonly shared?: boolean });
    /** Another one after each {@link grow}, which detaches it. */
    readonly buffer: ArrayBuffer;
    /** Throws RangeError when there is no room. */
    grow(numPages: number): number;
  }

  /** What `Memory` makes when asked for a shared one: threads work in the same bytes, and it is never detached. */
  interface SharedMemory {
    readonly buffer: SharedArrayBuffer;
  }
}
