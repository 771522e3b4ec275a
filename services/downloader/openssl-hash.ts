/** MD5, SHA-1 and SHA-256 of the OpenSSL inside Node's own executable: node:crypto's, with their state in our hands. */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import type { DigestName } from '../../lib/platform/known-digest.js';
import { VALUE_BYTES, type BeginHash, type HashPosition, type ResumableHash } from './resumable-hash.js';

const require = createRequire(import.meta.url);

/** More than the largest of the contexts (SHA-256's, 112) has. */
const CONTEXT_BYTES = 256;

type HashFunction = (...args: readonly unknown[]) => number;

interface Functions {
  readonly init: HashFunction;
  readonly update: HashFunction;
  readonly final: HashFunction;
}

/** Throws when this Node does not show OpenSSL's symbols, or koffi has nothing for this platform. */
export function openOpensslHashes(): BeginHash {
  if (endianness() !== 'LE') throw new Error('the words of a context are not in the order of the stored states');
  const { load } = require('koffi') as typeof Koffi;
  const library = load(null);
  const functionsOf = (prefix: string): Functions => ({
    init: library.func(`int ${prefix}_Init(void *context)`),
    update: library.func(`int ${prefix}_Update(void *context, const void *data, size_t length)`),
    final: library.func(`int ${prefix}_Final(void *digest, void *context)`),
  });
  const functions = { md5: functionsOf('MD5'), sha1: functionsOf('SHA1'), sha256: functionsOf('SHA256') };
  return (name, from) => new OpensslHash(functions[name], name, from);
}

/** A context begins with the chaining value and the number of bits; what else it has is zero between blocks. */
class OpensslHash implements ResumableHash {
  readonly #functions: Functions;
  readonly #numValueBytes: number;
  readonly #context = Buffer.alloc(CONTEXT_BYTES);

  constructor(functions: Functions, name: DigestName, from: HashPosition | undefined) {
    this.#functions = functions;
    this.#numValueBytes = VALUE_BYTES[name];
    this.#functions.init(this.#context);
    if (from === undefined) return;
    this.#context.set(from.value);
    writeBits(this.#context, this.#numValueBytes, from.bytes);
  }

  update(bytes: Uint8Array): void {
    this.#functions.update(this.#context, bytes, bytes.length);
  }

  state(): string {
    return this.#context.toString('base64', 0, this.#numValueBytes);
  }

  digest(): string {
    const digest = Buffer.alloc(this.#numValueBytes);
    this.#functions.final(digest, this.#context);
    return digest.toString('hex');
  }
}

/** Eight times `bytes`, as two words, the low one first. */
function writeBits(context: Buffer, offset: number, bytes: number): void {
  context.writeUInt32LE((bytes % 2 ** 29) * 8, offset);
  context.writeUInt32LE(Math.floor(bytes / 2 ** 29), offset + 4);
}
