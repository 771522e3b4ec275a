/**
 * The frames' memory, for other processes of this machine to read. A file without a name (memfd) is put where the memory's pages are,
 * so that nothing is copied, and nothing is left behind by whoever is killed.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, ftruncateSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';

export interface SharedFile {
  /** What processes of the same user can open, while this one runs. */
  readonly path: string;
  readonly numBytes: number;
  /** What the file begins with. */
  readonly nonce: Buffer;
  /** Who has it open keeps it. */
  close(): void;
}

const NONCE_BYTES = 16;
const MFD_CLOEXEC = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED_FIXED = 0x11;

/** The memory, in which nothing is yet, as a file; a nonce is written to its begin. Undefined where the system cannot do it. */
export function shareMemory({ buffer }: WebAssembly.SharedMemory): SharedFile | undefined {
  const libc = loadLibc();
  if (libc === undefined) return undefined;
  const bytes = Buffer.from(buffer);
  const descriptor = libc.memfdCreate('millrace-frames', MFD_CLOEXEC);
  if (descriptor < 0) return undefined;
  ftruncateSync(descriptor, bytes.length);
  libc.mmap(bytes, bytes.length, PROT_READ_WRITE, MAP_SHARED_FIXED, descriptor, 0);
  const nonce = randomBytes(NONCE_BYTES);
  bytes.set(nonce);
  // Where the mapping was refused the memory is what it was, and works as well.
  const found = Buffer.alloc(NONCE_BYTES);
  readSync(descriptor, found, 0, NONCE_BYTES, 0);
  if (!timingSafeEqual(found, nonce)) {
    closeSync(descriptor);
    return undefined;
  }
  return {
    path: `/proc/${process.pid}/fd/${descriptor}`,
    numBytes: bytes.length,
    nonce,
    close: () => closeSync(descriptor),
  };
}

interface Libc {
  readonly memfdCreate: (name: string, flags: number) => number;
  readonly mmap: (
    at: Buffer,
    length: number,
    protection: number,
    flags: number,
    file: number,
    offset: number,
  ) => unknown;
}

/** Undefined on another system than Linux, or where koffi has nothing for this one. */
function loadLibc(): Libc | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const { load } = createRequire(import.meta.url)('koffi') as typeof Koffi;
    const libc = load(null);
    return {
      memfdCreate: libc.func('int memfd_create(const char *name, unsigned int flags)') as Libc['memfdCreate'],
      mmap: libc.func(
        'void *mmap(void *at, size_t length, int protection, int flags, int file, int64_t offset)',
      ) as Libc['mmap'],
    };
  } catch {
    return undefined;
  }
}
