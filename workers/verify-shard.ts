/** Whether a shard still holds what its manifest says. Its file is not handed to LMDB, which a damaged page may crash. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, MillraceError, throwIfAborted } from '../lib/core/errors.js';
import type { SampleShape } from '../lib/core/tensor.js';
import type { SampleDecoder } from '../lib/pixels/sample-decoder.js';
import { digestFile } from '../lib/platform/known-digest.js';
import { decodeDatum } from '../lib/shards/datum.js';
import { DATA_FILE } from '../lib/shards/lmdb-file.js';
import type { Manifest } from '../lib/shards/manifest.js';
import { scanContent } from '../lib/shards/record-scan.js';

export interface VerifyShardOptions {
  /** Of a sample as it is served; null when samples differ in shape. */
  readonly shape: SampleShape | null;
  readonly decode: SampleDecoder;
  /** Share of the records to decode, `[0, 1]`, spread evenly and rounded up. */
  readonly decodeShare: number;
  /** Bytes of values gone through. */
  readonly onProgress: (doneBytes: number) => void;
  readonly signal: AbortSignal;
}

export interface VerifiedShard {
  readonly numDecoded: number;
  /** One line each, naming file or record, what was expected and what was found. */
  readonly problems: readonly string[];
}

/** Records named one by one; the rest are counted. */
const MAX_NAMED = 10;

/** Reads every record of the shard in `folder`. Throws InterruptedError. */
export async function verifyShard(
  folder: string,
  expected: Manifest['shards'][number],
  options: VerifyShardOptions,
): Promise<VerifiedShard> {
  const dataFile = join(folder, DATA_FILE);
  const damaged = (problem: string): VerifiedShard => ({ numDecoded: 0, problems: [`${dataFile}: ${problem}`] });
  try {
    const { size } = await stat(dataFile);
    if (size !== expected.bytes) return damaged(`expected ${expected.bytes} bytes, found ${size}`);
    if (expected.sha256 !== undefined) {
      const { sha256 = '' } = await digestFile(dataFile, options.signal, () => undefined, ['sha256']);
      if (sha256 !== expected.sha256) return damaged(`expected SHA-256 ${expected.sha256}, found ${sha256}`);
    }
    return await verifyRecords(folder, expected, options);
  } catch (error) {
    throwIfAborted(options.signal);
    return damaged(messageOf(error).replace(`${dataFile}: `, ''));
  }
}

async function verifyRecords(
  folder: string,
  expected: Manifest['shards'][number],
  { shape, decode, decodeShare, onProgress, signal }: VerifyShardOptions,
): Promise<VerifiedShard> {
  const unusable: string[] = [];
  const numToDecode = Math.ceil(expected.numSamples * decodeShare);
  let [numVisited, numDecoded] = [0, 0];
  const { numSamples, contentDigest } = await scanContent(
    folder,
    async ({ key, value }) => {
      if (Math.floor((++numVisited * numToDecode) / expected.numSamples) <= numDecoded) return;
      numDecoded++;
      const problem = await problemOf(value, decode, shape);
      if (problem !== undefined) unusable.push(`${folder}: record "${key.toString()}": ${problem}`);
    },
    (doneBytes) => {
      onProgress(doneBytes);
      throwIfAborted(signal);
    },
  );
  const problems: string[] = [];
  if (numSamples !== expected.numSamples) {
    problems.push(`${folder}: expected ${expected.numSamples} records, found ${numSamples}`);
  }
  if (contentDigest !== expected.contentDigest) {
    problems.push(`${folder}: expected content digest ${expected.contentDigest}, found ${contentDigest}`);
  }
  problems.push(...unusable.slice(0, MAX_NAMED));
  if (unusable.length > MAX_NAMED) problems.push(`${folder}: … and ${unusable.length - MAX_NAMED} records more`);
  return { numDecoded, problems };
}

/** Why a record cannot be served. */
async function problemOf(value: Buffer, decode: SampleDecoder, shape: SampleShape | null): Promise<string | undefined> {
  try {
    const { shape: found } = await decode(decodeDatum(value));
    return shape === null || textOf(found) === textOf(shape)
      ? undefined
      : `expected a sample of ${textOf(shape)}, found ${textOf(found)}`;
  } catch (error) {
    if (error instanceof MillraceError) return error.message;
    throw error;
  }
}

function textOf({ channels, height, width }: SampleShape): string {
  return `${channels}×${height}×${width}`;
}
