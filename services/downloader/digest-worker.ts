/**
 * A thread that hashes a file as it grows: told how far the file is good, it reads on from where it was and reports the state
 * of its hashes, from which another process can go on.
 */
import { createMD5, createSHA1, createSHA256, type IHasher } from 'hash-wasm';
import { openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { DigestName, Digests } from '../../lib/platform/known-digest.js';

/** What the thread is started with. */
export interface DigestWorkerInput {
  readonly path: string;
  readonly names: readonly DigestName[];
  readonly from: HashState;
}

/** States of hashes after the first `bytes` of a file, base64; a state that is missing means "from the first byte". */
export interface HashState {
  readonly bytes: number;
  readonly states: Readonly<Partial<Record<DigestName, string>>>;
}

/** To the thread: hash up to this offset, or say what came out. */
export type DigestRequest = number | 'digests';
/** From the thread: first the state that it begins with, then an answer to each request. */
export type DigestReport = { readonly state: HashState } | { readonly digests: Digests };

const READ_BYTES = 1 << 20;
const CREATE: Record<DigestName, () => Promise<IHasher>> = { md5: createMD5, sha1: createSHA1, sha256: createSHA256 };

const { path, names, from } = workerData as DigestWorkerInput;
const hashers = await Promise.all(names.map(async (name) => ({ name, hasher: (await CREATE[name]()).init() })));
const file = openSync(path, 'r');
const buffer = Buffer.allocUnsafe(READ_BYTES);
let position = load() ? from.bytes : 0;

/** False when a state is missing or another build of the hash wrote it: the bytes are then hashed again. */
function load(): boolean {
  try {
    for (const { name, hasher } of hashers) hasher.load(Buffer.from(from.states[name] ?? '', 'base64'));
    return true;
  } catch {
    for (const { hasher } of hashers) hasher.init();
    return false;
  }
}

function hashUntil(end: number): void {
  while (position < end) {
    const numBytes = readSync(file, buffer, 0, Math.min(READ_BYTES, end - position), position);
    if (numBytes === 0) throw new Error(`${path} ends at ${position}, expected ${end} bytes`);
    for (const { hasher } of hashers) hasher.update(buffer.subarray(0, numBytes));
    position += numBytes;
  }
}

function stateNow(): HashState {
  const states = hashers.map(({ name, hasher }) => [name, Buffer.from(hasher.save()).toString('base64')] as const);
  return { bytes: position, states: Object.fromEntries(states) };
}

function send(report: DigestReport): void {
  parentPort?.postMessage(report);
}

send({ state: stateNow() });
parentPort?.on('message', (request: DigestRequest) => {
  if (request === 'digests') {
    const digests = hashers.map(({ name, hasher }) => [name, hasher.digest()] as const);
    send({ digests: Object.fromEntries(digests) });
  } else {
    hashUntil(request);
    send({ state: stateNow() });
  }
});
