/** Which library hashes here: the fastest one that proves itself. */
import { createHash } from 'node:crypto';
import { DIGEST_NAMES } from '../../lib/platform/known-digest.js';
import { HASH_BLOCK_BYTES, type BeginHash } from './resumable-hash.js';

/**
 * OpenSSL's as Node brings it with (MD5 at 740 MB/s), else WebAssembly's (540). The proof is for the machine at hand: which symbols
 * Node shows, and how its OpenSSL lays out its memory, is nobody's promise.
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
