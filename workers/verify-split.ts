/** Whether a finished split still is what its manifest says, and the archives it came from what they were. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '../lib/platform/known-digest.js';
import { codeOf, messageOf, throwIfAborted } from '../lib/core/errors.js';
import type { Reporter } from '../lib/platform/progress.js';
import { archivePath, MEAN_FILE } from '../lib/platform/root-layout.js';
import { versionOf, type Manifest } from '../lib/shards/manifest.js';
import { openShard } from '../lib/shards/shard-reader.js';
import { sha256OfFile } from '../lib/shards/shard-writer.js';
import { openAnySplit } from '../lib/shards/split-reader.js';

type ManifestShard = Manifest['shards'][number];

export interface VerifyOptions {
  readonly root: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface VerifyResult {
  readonly numShards: number;
  readonly numSamples: number;
  /** Archives that were there to be looked at. */
  readonly numArchives: number;
  /** One line each, naming file, what was expected and what was found. */
  readonly problems: readonly string[];
}

/**
 * Reads every byte of the split in `folder`, and of its archives that are still there.
 * Throws ERR_NOT_FOUND when there is no finished split, ERR_SHARD_CORRUPT when its manifest or mean cannot be read,
 * InterruptedError.
 */
export async function verifySplit(folder: string, { root, reporter, signal }: VerifyOptions): Promise<VerifyResult> {
  const split = await openAnySplit(folder);
  const { manifest, mean } = split;
  await split.close();
  const problems: string[] = [];
  const { shape, shards, source } = manifest;
  const version = versionOf(
    manifest.options,
    shape,
    shards.map(({ contentDigest }) => contentDigest),
  );
  if (version !== manifest.version)
    problems.push(`${folder}: manifest says version ${manifest.version}, its shards make ${version}`);
  if (
    mean !== undefined &&
    JSON.stringify(shape, ['height', 'width', 'channels']) !==
      JSON.stringify(mean.shape, ['height', 'width', 'channels'])
  ) {
    problems.push(`${join(folder, MEAN_FILE)}: its shape is not the split's`);
  }

  const totalBytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  let doneBytes = 0;
  for (const shard of shards) {
    throwIfAborted(signal);
    problems.push(...(await verifyShard(join(folder, shard.path), shard)));
    doneBytes += shard.bytes;
    reporter.progress({
      stage: `verify ${manifest.dataset}/${manifest.split}`,
      unit: 'bytes',
      done: doneBytes,
      total: totalBytes,
    });
  }

  let numArchives = 0;
  for (const { file, md5 } of source.archives) {
    const found = await md5IfThere(archivePath(root, file), signal, (done, total) => {
      reporter.progress({ stage: `verify ${file}`, unit: 'bytes', done, total });
    });
    if (found === undefined) continue;
    numArchives++;
    if (found !== md5) problems.push(`${archivePath(root, file)}: expected MD5 ${md5}, found ${found}`);
  }
  return { numShards: shards.length, numSamples: manifest.numSamples, numArchives, problems };
}

async function verifyShard(folder: string, expected: ManifestShard): Promise<string[]> {
  const dataFile = join(folder, 'data.mdb');
  try {
    const { size } = await stat(dataFile);
    if (size !== expected.bytes) return [`${dataFile}: expected ${expected.bytes} bytes, found ${size}`];
    const sha256 = await sha256OfFile(dataFile);
    // LMDB trusts its pages, and a damaged one may take the process with it: such a file is not opened.
    if (sha256 !== expected.sha256) return [`${dataFile}: expected SHA-256 ${expected.sha256}, found ${sha256}`];
    return await verifyContent(folder, expected);
  } catch (error) {
    return [`${dataFile}: ${messageOf(error)}`];
  }
}

async function verifyContent(folder: string, expected: ManifestShard): Promise<string[]> {
  const problems: string[] = [];
  const shard = openShard(folder);
  try {
    if (shard.numSamples !== expected.numSamples) {
      problems.push(`${folder}: expected ${expected.numSamples} records, found ${shard.numSamples}`);
    }
    const hash = createHash('sha256');
    shard.readBytes(Array(shard.numSamples).keys(), (value, index) => hash.update(shard.keyAt(index)).update(value));
    const digest = hash.digest('hex');
    if (digest !== expected.contentDigest) {
      problems.push(`${folder}: expected content digest ${expected.contentDigest}, found ${digest}`);
    }
  } finally {
    await shard.close();
  }
  return problems;
}

/** Read anew, whatever is remembered. */
async function md5IfThere(
  path: string,
  signal: AbortSignal,
  onProgress: (doneBytes: number, totalBytes: number) => void,
): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    return (await digestFile(path, signal, (done) => onProgress(done, size))).md5;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
