/** Parts of `prepare` by themselves: the index of a tar of tars, and the mean of a split whose records are raw. */
import { execFile } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packTar } from '../lib/archives/tar-writer.js';
import { shardName, splitFolder } from '../lib/platform/root-layout.js';
import { packageRoot } from '../lib/platform/package-root.js';
import { readManifest } from '../lib/shards/manifest.js';
import { computeImageMean } from '../workers/compute-image-mean.js';
import { splitOf, type PrepareData } from './prepare-data.js';
import { publish } from './report.js';

const execute = promisify(execFile);

const NUM_TARS = [100, 1000];
const MEMBERS_PER_TAR = 300;
const MEMBER_BYTES = 110_000;
/** Caffe's own compute_image_mean, single-threaded, on another machine. */
const CAFFE_IMAGES_PER_SECOND = 4_300;

interface IndexRun {
  readonly numMembers: number;
  readonly wallMs: number;
  readonly arrayBuffers: number;
  readonly peakKb: number;
}

/** @param numRounds a split of these has enough records */
export async function benchPrepareParts(data: PrepareData, numRounds: number, folder: string): Promise<void> {
  const rows: (readonly string[])[] = [];
  const runs: { readonly run: IndexRun; readonly bytes: number }[] = [];
  for (const numTars of NUM_TARS) {
    console.log(`prepare-parts: index of ${numTars} tars in a tar`);
    const path = join(folder, `sparse-${numTars}.tar`);
    await writeSparseTar(path, numTars);
    const bytes = statSync(path).size;
    const main = join(import.meta.dirname, 'prepare-index-main.js');
    // The first scan brings the headers into the cache.
    await execute(process.execPath, [main, path]);
    const { stdout } = await execute(process.execPath, [main, path]);
    const run = JSON.parse(stdout) as IndexRun;
    runs.push({ run, bytes });
    const rate = `${(bytes / run.wallMs / 1e6).toFixed(1)} GB/s, ${((run.wallMs / run.numMembers) * 1000).toFixed(1)} µs a member`;
    rows.push([`index of ${run.numMembers} members, ${(bytes / 1e9).toFixed(0)} GB`, rate, '1 GB/s']);
    rmSync(path);
  }
  const [few, many] = runs.map(({ run }) => run);
  const memberBytes = (many.arrayBuffers - few.arrayBuffers) / (many.numMembers - few.numMembers);
  const peak = `${(many.peakKb / 1000).toFixed(0)} MB peak of the process with ${many.numMembers}`;
  rows.push(['memory of the index', `${memberBytes.toFixed(0)} bytes a member; ${peak}`, 'O(members)']);
  console.log('prepare-parts: mean');
  rows.push(await benchMean(data, splitOf(numRounds)));
  publish({
    name: 'prepare-parts',
    title: 'Parts of `millrace prepare`',
    notes: [
      `The index is of a sparse tar of tars with ${MEMBERS_PER_TAR} members of ${MEMBER_BYTES / 1000} kB each, its headers in the page cache: what a scan reads of a real`,
      'one. Bytes a member are the difference of the two indexes by their members. `prepare` itself reads nothing for its mean: the sums are made',
      'where the pixels are; `compute-image-mean` reads every record and adds in float32, as Caffe does.',
    ],
    columns: ['part', 'measured', 'bar'],
    rows,
  });
}

async function benchMean({ root, dataset }: PrepareData, split: string): Promise<readonly string[]> {
  const main = join(packageRoot(), 'dist', 'cli', 'main.js');
  const flags = ['--root', root, '--split', split, '--size', '256', '--as', 'mean'];
  await execute(process.execPath, [main, 'prepare', dataset, ...flags], { maxBuffer: 1 << 26 });
  const folder = splitFolder(root, 'mean', split);
  const numSamples = (await readManifest(folder))?.shards[0].numSamples ?? 0;
  const { signal } = new AbortController();
  let wallMs = Infinity;
  for (let run = 0; run < 3; run++) {
    const beganAtMs = performance.now();
    await computeImageMean('lmdb', join(folder, shardName(0)), () => undefined, signal);
    wallMs = Math.min(wallMs, performance.now() - beganAtMs);
  }
  rmSync(folder, { recursive: true });
  const rate = `${((numSamples / wallMs) * 1000).toFixed(0)} images/s`;
  return ['compute-image-mean of raw records', rate, `${CAFFE_IMAGES_PER_SECOND} images/s`];
}

/** Inner tars of headers only: the bodies are holes. */
async function writeSparseTar(path: string, numTars: number): Promise<void> {
  const blockOf = (bytes: number): number => Math.ceil(bytes / 512) * 512;
  const template = await packTar([{ name: 'n00000000/n00000000_00000.JPEG', data: new Uint8Array(0) }]);
  const innerBytes = MEMBERS_PER_TAR * (512 + blockOf(MEMBER_BYTES)) + 1024;
  const descriptor = openSync(path, 'w');
  try {
    let at = 0;
    const header = (name: string, size: number): void => {
      const block = Buffer.from(template.subarray(0, 512));
      block.fill(0, 0, 100).write(name);
      block.write(size.toString(8).padStart(11, '0'), 124);
      block.fill(' ', 148, 156);
      const sum = block.reduce((total, byte) => total + byte, 0);
      block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
      writeSync(descriptor, block, 0, 512, at);
      at += 512;
    };
    for (let tar = 0; tar < numTars; tar++) {
      const wnid = `n${String(tar).padStart(8, '0')}`;
      header(`${wnid}.tar`, innerBytes);
      for (let member = 0; member < MEMBERS_PER_TAR; member++) {
        header(`${wnid}_${member}.JPEG`, MEMBER_BYTES);
        at += blockOf(MEMBER_BYTES);
      }
      at += 1024;
    }
    ftruncateSync(descriptor, at + 1024);
  } finally {
    closeSync(descriptor);
  }
}
