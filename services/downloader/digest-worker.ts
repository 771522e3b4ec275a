/**
 * A thread that hashes a file as it grows: told how far the file is good, it reads on from where it was and reports the state
 * of its hashes, from which another process can go on.
 */
import { openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { DigestName, Digests } from '../../lib/platform/known-digest.js';
import { openHashes } from './fastest-hash.js';
import { HASH_BLOCK_BYTES, VALUE_BYTES, type ResumableHash } from './resumable-hash.js';

/** What the thread is started with. */
export interface DigestWorkerInput {
  readonly path: string;
  readonly names: readonly DigestName[];
  readonly from: HashState;
}

/** States of hashes (see resumable-hash.ts) after the first `bytes` of a file; one that is missing means "from the first byte". */
export interface HashState {
  readonly bytes: number;
  readonly states: Readonly<Partial<Record<DigestName, string>>>;
}

/** To the thread: hash what there is of whole blocks before this offset, or all of it and say what came out. */
export type DigestRequest = { readonly until: number } | { readonly digestsOf: number };
/** From the thread: first the state that it begins with, then an answer to each request. */
export type DigestReport = { readonly state: HashState } | { readonly digests: Digests };

const READ_BYTES = 1 << 20;

const { path, names, from } = workerData as DigestWorkerInput;
const begin = await openHashes();
const file = openSync(path, 'r');
const buffer = Buffer.allocUnsafe(READ_BYTES);
const isResumed =
  names.every((name) => valueOf(name).length === VALUE_BYTES[name]) && from.bytes % HASH_BLOCK_BYTES === 0;
let position = isResumed ? from.bytes : 0;
const hashes: readonly (readonly [DigestName, ResumableHash])[] = names.map((name) => [
  name,
  begin(name, isResumed ? { bytes: position, value: valueOf(name) } : undefined),
]);

function valueOf(name: DigestName): Buffer {
  return Buffer.from(from.states[name] ?? '', 'base64');
}

function hashUntil(end: number): void {
  while (position < end) {
    const numBytes = readSync(file, buffer, 0, Math.min(READ_BYTES, end - position), position);
    if (numBytes === 0) throw new Error(`${path} ends at ${position}, expected ${end} bytes`);
    for (const [, hash] of hashes) hash.update(buffer.subarray(0, numBytes));
    position += numBytes;
  }
}

function stateNow(): HashState {
  return { bytes: position, states: Object.fromEntries(hashes.map(([name, hash]) => [name, hash.state()])) };
}

function send(report: DigestReport): void {
  parentPort?.postMessage(report);
}

send({ state: stateNow() });
parentPort?.on('message', (request: DigestRequest) => {
  if ('until' in request) {
    hashUntil(request.until - (request.until % HASH_BLOCK_BYTES));
    send({ state: stateNow() });
  } else {
    hashUntil(request.digestsOf);
    send({ digests: Object.fromEntries(hashes.map(([name, hash]) => [name, hash.digest()])) });
  }
});
