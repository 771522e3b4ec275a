/** What the benches of `prepare` work on: the test data's photographs, named by a list as often as it takes. */
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openArchive } from '../lib/archives/archive.js';
import { readMember } from '../lib/archives/read-member.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { archivePath, archivesFolder } from '../lib/platform/root-layout.js';
import { pack } from './pixels-pack.js';

const ARCHIVE = 'ILSVRC2012_img_train.sample.tar';

export interface PrepareData {
  readonly root: string;
  /** The dataset file. */
  readonly dataset: string;
  /** The same images as files in one, for programs that know no tar. */
  readonly packPath: string;
  /** In the archive; the list names each of them `numRounds` times. */
  readonly numImages: number;
}

/** Sets a root up in `folder`; undefined when the test data is not there. */
export async function makePrepareData(folder: string, numRounds: number): Promise<PrepareData | undefined> {
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
  writeFileSync(archivePath(folder, 'train.txt'), lines.repeat(numRounds));
  const dataset = join(folder, 'bench.yaml');
  writeFileSync(
    dataset,
    [
      'name: bench',
      'about: the same images over and over',
      `archives: [{ file: ${ARCHIVE} }, { file: train.txt }]`,
      'splits:',
      `  train: { archive: ${ARCHIVE}, layout: nested, labels: { from: list, list: { archive: train.txt } } }`,
      '',
    ].join('\n'),
  );
  const packPath = join(folder, 'pack');
  writeFileSync(packPath, pack(files));
  return { root: folder, dataset, packPath, numImages: files.length };
}
