/** Whether a finished split still is what its manifest says, and the archives it came from what they were. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../lib/core/errors.js';
import { createSampleDecoder } from '../lib/pixels/sample-decoder.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { digestFile } from '../lib/platform/known-digest.js';
import type { Reporter } from '../lib/platform/progress.js';
import { archivePath, MEAN_FILE } from '../lib/platform/root-layout.js';
import { versionOf } from '../lib/shards/manifest.js';
import { openAnySplit } from '../lib/shards/split-reader.js';
import { verifyShard } from './verify-shard.js';

export interface VerifyOptions {
  readonly root: string;
  /** Share of each shard's records to decode, `[0, 1]`, spread evenly: at least one of each, unless it is 0. */
  readonly decodeShare: number;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface VerifyResult {
  readonly numShards: number;
  readonly numSamples: number;
  /** Records that were decoded. */
  readonly numDecoded: number;
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
export async function verifySplit(folder: string, options: VerifyOptions): Promise<VerifyResult> {
  const { root, decodeShare, reporter, signal } = options;
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

  const decode = createSampleDecoder(manifest.options, findTurbojpeg(readEnvironment().turbojpeg).turbojpeg);
  const totalBytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  const stage = `verify ${manifest.dataset}/${manifest.split}`;
  let doneBytes = 0;
  let numDecoded = 0;
  for (const shard of shards) {
    const verified = await verifyShard(join(folder, shard.path), shard, {
      shape,
      decode,
      decodeShare,
      onProgress: (bytes) =>
        reporter.progress({ stage, unit: 'bytes', done: Math.min(doneBytes + bytes, totalBytes), total: totalBytes }),
      signal,
    });
    problems.push(...verified.problems);
    numDecoded += verified.numDecoded;
    doneBytes += shard.bytes;
    reporter.progress({ stage, unit: 'bytes', done: doneBytes, total: totalBytes });
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
  return { numShards: shards.length, numSamples: manifest.numSamples, numDecoded, numArchives, problems };
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
