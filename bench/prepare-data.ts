/** What the benches of `prepare` work on: the test data's photographs, named by a list as often as it takes. */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openArchive } from '../lib/archives/archive.js';
import { readMember } from '../lib/archives/read-member.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { digestFile, rememberDigest } from '../lib/platform/known-digest.js';
import { archivePath, archivesFolder } from '../lib/platform/root-layout.js';
import { pack } from './pixels-pack.js';

const ARCHIVE = 'ILSVRC2012_img_train.sample.tar';

export interface PrepareData {
  readonly root: string;
  /** The dataset file; it has a split for each number of rounds: {@link splitOf}. */
  readonly dataset: string;
  /** The same images as files in one, for programs that know no tar. */
  readonly packPath: string;
  /** In the archive; a split's list names each of them once a round. */
  readonly numImages: number;
}

/** Name of the split that has every image so many times. */
export function splitOf(numRounds: number): string {
  return `rounds-${numRounds}`;
}

/** Sets a root up in `folder`, with a split for each of `rounds`; undefined when the test data is not there. */
export async function makePrepareData(folder: string, rounds: readonly number[]): Promise<PrepareData | undefined> {
  const original = join(readEnvironment().testData, ARCHIVE);
  if (!existsSync(original)) return undefined;
  mkdirSync(archivesFolder(folder), { recursive: true });
  const path = archivePath(folder, ARCHIVE);
  copyFileSync(original, path);
  const { index } = await openArchive(path, 'nested');
  const { turbojpeg } = findTurbojpeg(readEnvironment().turbojpeg);
  const pipeline = createPixelPipeline({ resize: { resize: 'none' }, turbojpeg });
  const names: string[] = [];
  const files: Buffer[] = [];
  const descriptor = openSync(path, 'r');
  try {
    for (let member = 0; member < index.numMembers; member++) {
      const file = readMember(path, descriptor, index.offset(member), index.size(member));
      // All ways are to have the same work, and libjpeg does not take what is no JPEG.
      if ((await pipeline.convert(file)).decoder !== 'libturbojpeg') continue;
      names.push(index.name(member));
      files.push(file);
    }
  } finally {
    closeSync(descriptor);
  }
  const lines = names.map((name, label) => `${name} ${label}\n`).join('');
  const listOf = (numRounds: number): string => `${splitOf(numRounds)}.txt`;
  for (const numRounds of rounds) writeFileSync(archivePath(folder, listOf(numRounds)), lines.repeat(numRounds));
  // As a downloader leaves it: its digest known.
  await rememberDigest(path, await digestFile(path, undefined, () => undefined));
  const dataset = join(folder, 'bench.yaml');
  writeFileSync(
    dataset,
    [
      'name: bench',
      'about: the same images over and over',
      `archives: [{ file: ${ARCHIVE} }, ${rounds.map((numRounds) => `{ file: ${listOf(numRounds)} }`).join(', ')}]`,
      'splits:',
      ...rounds.map(
        (numRounds) =>
          `  ${splitOf(numRounds)}: { archive: ${ARCHIVE}, layout: nested, labels: { from: list, list: { archive: ${listOf(numRounds)} } } }`,
      ),
      '',
    ].join('\n'),
  );
  const packPath = join(folder, 'pack');
  writeFileSync(packPath, pack(files));
  return { root: folder, dataset, packPath, numImages: files.length };
}
