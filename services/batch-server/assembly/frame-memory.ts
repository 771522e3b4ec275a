/** The one memory that all frames are assembled in: who has which part of it. */
import { createSharedMemory } from '../../../lib/pixels/sample-kernels-module.js';
import { shareMemory, type SharedFile } from './shared-file.js';

/** A part of the memory. */
export interface Extent {
  readonly begin: number;
  readonly numBytes: number;
}

/** Parts begin at, and are, multiples of this. */
const GRAIN_BYTES = 4096;

export class FrameMemory {
  readonly memory: WebAssembly.SharedMemory;
  readonly numBytes: number;
  /** The memory as other processes can have it; undefined: they cannot. */
  readonly file: SharedFile | undefined;
  /** By `begin`, never two that touch. */
  readonly #free: Extent[];
  #freeBytes: number;

  /** Pages take room only once they have been written to. `isShared`: with other processes of this machine, where it can be. */
  constructor(numBytes: number, isShared = false) {
    this.numBytes = Math.floor(numBytes / GRAIN_BYTES) * GRAIN_BYTES;
    this.memory = createSharedMemory(this.numBytes);
    this.file = isShared ? shareMemory(this.memory) : undefined;
    // Address 0 is left out: it reads like "none". The shared file's nonce lies there.
    this.#free = [{ begin: GRAIN_BYTES, numBytes: this.numBytes - GRAIN_BYTES }];
    this.#freeBytes = this.numBytes - GRAIN_BYTES;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** The part at the lowest address that is large enough, so that what was used last stays in the caches; undefined: there is none. */
  allocate(numBytes: number): Extent | undefined {
    const rounded = grains(numBytes);
    const at = this.#free.findIndex((extent) => extent.numBytes >= rounded);
    if (at < 0) return undefined;
    const { begin, numBytes: room } = this.#free[at];
    if (room === rounded) this.#free.splice(at, 1);
    else this.#free[at] = { begin: begin + rounded, numBytes: room - rounded };
    this.#freeBytes -= rounded;
    return { begin, numBytes: rounded };
  }

  /** Gives a part back. */
  release({ begin, numBytes }: Extent): void {
    const next = this.#free.findIndex((extent) => extent.begin > begin);
    const at = next < 0 ? this.#free.length : next;
    let merged = { begin, numBytes };
    let [first, count] = [at, 0];
    const before = this.#free.at(at - 1);
    if (at > 0 && before !== undefined && before.begin + before.numBytes === begin) {
      merged = { begin: before.begin, numBytes: before.numBytes + numBytes };
      [first, count] = [at - 1, 1];
    }
    const after = this.#free.at(at);
    if (at < this.#free.length && after !== undefined && after.begin === begin + numBytes) {
      merged = { begin: merged.begin, numBytes: merged.numBytes + after.numBytes };
      count++;
    }
    this.#free.splice(first, count, merged);
    this.#freeBytes += numBytes;
  }
}

/** Bytes that a part of that many takes. */
export function grains(numBytes: number): number {
  return Math.ceil(numBytes / GRAIN_BYTES) * GRAIN_BYTES;
}
