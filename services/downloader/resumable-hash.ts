/**
 * Hashes that another process can go on with. What they keep for it is the algorithm's own: the chaining value after whole blocks,
 * the same whichever library computed it.
 */
import type { DigestName } from '../../lib/platform/known-digest.js';

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
