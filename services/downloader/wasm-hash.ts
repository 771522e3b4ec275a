/** MD5, SHA-1 and SHA-256 in WebAssembly, for where OpenSSL's cannot be had. */
import { createMD5, createSHA1, createSHA256, type IHasher } from 'hash-wasm';
import type { DigestName } from '../../lib/platform/known-digest.js';
import { VALUE_BYTES, type BeginHash, type HashPosition, type ResumableHash } from './resumable-hash.js';

/** What hash-wasm saves of a hash: an id of its build, then the hash's memory. */
interface Layout {
  readonly create: () => Promise<IHasher>;
  /** Offset of the chaining value. */
  readonly valueAt: number;
  readonly writeLength: (memory: Buffer, bytes: number) => void;
}

const LAYOUTS: Readonly<Record<DigestName, Layout>> = {
  md5: {
    create: createMD5,
    valueAt: 12,
    writeLength(memory, bytes) {
      memory.writeUInt32LE(bytes % 2 ** 29, 4);
      memory.writeUInt32LE(Math.floor(bytes / 2 ** 29), 8);
    },
  },
  sha1: {
    create: createSHA1,
    valueAt: 4,
    writeLength(memory, bytes) {
      memory.writeUInt32LE((bytes % 2 ** 29) * 8, 24);
      memory.writeUInt32LE(Math.floor(bytes / 2 ** 29), 28);
    },
  },
  sha256: {
    create: createSHA256,
    valueAt: 76,
    writeLength: (memory, bytes) => void memory.writeBigUInt64LE(BigInt(bytes), 68),
  },
};

/** Each hash of a name takes over the memory of the one before. */
export async function openWasmHashes(): Promise<BeginHash> {
  const hashers = {
    md5: await LAYOUTS.md5.create(),
    sha1: await LAYOUTS.sha1.create(),
    sha256: await LAYOUTS.sha256.create(),
  };
  return (name, from) => new WasmHash(hashers[name], name, from);
}

class WasmHash implements ResumableHash {
  constructor(
    private readonly hasher: IHasher,
    private readonly name: DigestName,
    from: HashPosition | undefined,
  ) {
    hasher.init();
    if (from === undefined) return;
    const memory = Buffer.from(hasher.save());
    const { valueAt, writeLength } = LAYOUTS[name];
    memory.set(from.value, valueAt);
    writeLength(memory, from.bytes);
    hasher.load(memory);
  }

  update(bytes: Uint8Array): void {
    this.hasher.update(bytes);
  }

  state(): string {
    const { valueAt } = LAYOUTS[this.name];
    return Buffer.from(this.hasher.save()).toString('base64', valueAt, valueAt + VALUE_BYTES[this.name]);
  }

  digest(): string {
    return this.hasher.digest();
  }
}
