/**
 * Hashes that another process can go on with. What they keep for it is the algorithm's own: the chaining value after whole blocks,
 * the same whichever library computed it.
 */
import { createHash } from 'node:crypto';
import { DIGEST_NAMES, type DigestName } from '../../lib/platform/known-digest.js';

/** Bytes that MD5, SHA-1 and SHA-256 alike take at a time. */
export const HASH_BLOCK_BYTES = 64;

/** Bytes of the chaining value, which are also those of the digest. */
export const VALUE_BYTES: Readonly<Record<DigestName, number>> = { md5: 16, sha1: 20, sha256: 32 };

export interface ResumableHash {
  /** The bytes are the caller's again when it returns. */
  update(bytes: Uint8Array): void;
  /** The chaining value, base64; to be asked for after a multiple of {@link HASH_BLOCK_BYTES} only. */
  state(): string;
  /** Lower-case hex; the last call. */
  digest(): string;
}

/** Where a hash goes on. */
export interface HashPosition {
  /** Bytes hashed, a multiple of {@link HASH_BLOCK_BYTES}. */
  readonly bytes: number;
  /** The chaining value after them, of {@link VALUE_BYTES}. */
  readonly value: Uint8Array;
}

/** Begins a hash at `from`, or at the first byte; an earlier one of that name is void then. */
export type BeginHash = (name: DigestName, from?: HashPosition) => ResumableHash;

/**
 * The fastest that proves itself here: OpenSSL's as Node brings it with (MD5 at 740 MB/s), else WebAssembly's (540). The proof is
 * for the machine at hand: which symbols Node shows, and how its OpenSSL lays out its memory, is nobody's promise.
 */
export async function openHashes(): Promise<BeginHash> {
  try {
    const { openOpensslHashes } = await import('./openssl-hash.js');
    return proved(openOpensslHashes());
  } catch {
    const { openWasmHashes } = await import('./wasm-hash.js');
    return proved(await openWasmHashes());
  }
}

/** Throws when a hash that was gone on with from its state is not that of the whole. */
function proved(begin: BeginHash): BeginHash {
  const sample = Buffer.alloc(5 * HASH_BLOCK_BYTES + 9, 'a hash that goes on');
  const bytes = 3 * HASH_BLOCK_BYTES;
  for (const name of DIGEST_NAMES) {
    const head = begin(name);
    head.update(sample.subarray(0, bytes));
    const tail = begin(name, { bytes, value: Buffer.from(head.state(), 'base64') });
    tail.update(sample.subarray(bytes));
    const expected = createHash(name).update(sample).digest('hex');
    if (tail.digest() !== expected) throw new Error(`${name} cannot be gone on with from its state`);
  }
  return begin;
}
