/**
 * The archives of the dataset `sample`, shaped like ILSVRC2012's: a tar of class tars, a flat val tar, the label lists and
 * class names, with a few odd files among them as there are in the real ones.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { findDataset } from '../../../lib/catalog/catalog.js';
import { parseDataset } from '../../../lib/catalog/dataset-file.js';
import type { Dataset } from '../../../lib/catalog/dataset-schema.js';
import { packTar, type TarMemberContent } from '../../../lib/archives/tar-writer.js';
import { throwIfAborted } from '../../../lib/core/errors.js';
import { createPermutation } from '../../../lib/core/permutation.js';
import { writeFileAtomic } from '../../../lib/platform/atomic-file.js';
import type { Reporter } from '../../../lib/platform/progress.js';
import { encodeJpeg, encodePng } from '../../../lib/pixels/encode.js';
import { FIGURE_CLASSES } from './figures.js';
import { drawPicture } from './picture.js';

export const NUM_TRAIN = 2_000;
export const NUM_VAL = 500;

const NUM_CLASSES = FIGURE_CLASSES.length;
const TRAIN = 0;
const VAL = 1;
const QUALITY = 85;
/** Every so many-th picture of a class is a greyscale JPEG: about as many as ILSVRC2012 has. */
const GREY_EVERY = 40;
/** Pictures encoded at a time; libvips spreads them over the cores. */
const BATCH = 16;

/** Odd train files, by `<label>/<number>`: a PNG under a JPEG's name, a text, and a JPEG of which only the head is left. */
const ODD_FILES: Readonly<Partial<Record<string, 'png' | 'text' | 'head'>>> = {
  '2/17': 'png',
  '4/101': 'text',
  '7/58': 'head',
};

export interface MakeOptions {
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
}

/**
 * Draws the archives into `folder`, and `dataset.json` last: the dataset with the length and MD5 of every archive, without
 * URLs. A folder that holds a whole set is left as it is. Throws ERR_DISK, InterruptedError.
 */
export async function makeSampleArchives(folder: string, options: MakeOptions): Promise<Dataset> {
  const made = await readWholeSet(folder);
  if (made !== undefined) return made;
  await mkdir(folder, { recursive: true });
  const contents = await drawArchives(options);
  const entry = await findDataset('sample');
  const archives = entry.archives.map((archive) => {
    const content = contents[archive.file];
    return { ...archive, bytes: content.length, md5: createHash('md5').update(content).digest('hex') };
  });
  for (const { file } of archives) await writeFileAtomic(join(folder, file), contents[file]);
  const dataset: Dataset = { ...entry, archives };
  await writeFileAtomic(join(folder, 'dataset.json'), `${JSON.stringify(dataset, null, 2)}\n`);
  return dataset;
}

/** The dataset in `folder` when all of its archives are there; undefined when anything is missing. */
async function readWholeSet(folder: string): Promise<Dataset | undefined> {
  const path = join(folder, 'dataset.json');
  try {
    const dataset = parseDataset(await readFile(path, 'utf8'), path);
    for (const { file, bytes } of dataset.archives) {
      if ((await stat(join(folder, file))).size !== bytes) return undefined;
    }
    return dataset;
  } catch {
    return undefined;
  }
}

async function drawArchives(options: MakeOptions): Promise<Record<string, Buffer>> {
  let numDrawn = 0;
  const onDrawn = (count: number): void => {
    numDrawn += count;
    options.reporter.progress({ stage: 'draw sample', unit: 'images', done: numDrawn, total: NUM_TRAIN + NUM_VAL });
  };

  const classTars: TarMemberContent[] = [];
  const trainLines: string[] = [];
  for (let label = 0; label < NUM_CLASSES; label++) {
    const id = classIdOf(label);
    const numbers = Array.from({ length: NUM_TRAIN / NUM_CLASSES }, (_, index) => index + 1);
    const members = await drawAll(
      numbers.map((number) => ({ name: `${id}_${number}.JPEG`, draw: () => drawTrainFile(label, number) })),
      options.signal,
      onDrawn,
    );
    classTars.push({ name: `${id}.tar`, data: await packTar(members) });
    trainLines.push(...members.map(({ name }) => `${id}/${name} ${label}`));
  }

  // A permutation, so that the classes come in no order but equally often.
  const order = createPermutation({ numSamples: NUM_VAL, seed: 0, epoch: 0 });
  const valFiles = Array.from({ length: NUM_VAL }, (_, index) => {
    const shuffled = order.at(index);
    const label = shuffled % NUM_CLASSES;
    const name = `sample_val_${String(index + 1).padStart(8, '0')}.JPEG`;
    return { name, label, draw: () => drawJpeg(VAL, label, Math.floor(shuffled / NUM_CLASSES)) };
  });
  const valMembers = await drawAll(valFiles, options.signal, onDrawn);

  return {
    'sample_img_train.tar': await packTar(classTars),
    'sample_img_val.tar': await packTar(valMembers),
    'sample_train.txt': linesOf(trainLines.sort()),
    'sample_val.txt': linesOf(valFiles.map(({ name, label }) => `${name} ${label}`)),
    'sample_synset_words.txt': linesOf(FIGURE_CLASSES.map(({ name }, label) => `${classIdOf(label)} ${name}`)),
  };
}

async function drawAll(
  files: readonly { name: string; draw: () => Promise<Buffer> }[],
  signal: AbortSignal | undefined,
  onDrawn: (count: number) => void,
): Promise<TarMemberContent[]> {
  const members: TarMemberContent[] = [];
  for (let begin = 0; begin < files.length; begin += BATCH) {
    throwIfAborted(signal);
    const batch = files.slice(begin, begin + BATCH);
    members.push(...(await Promise.all(batch.map(async ({ name, draw }) => ({ name, data: await draw() })))));
    onDrawn(batch.length);
  }
  return members;
}

async function drawTrainFile(label: number, number: number): Promise<Buffer> {
  switch (ODD_FILES[`${label}/${number}`]) {
    case 'png':
      return encodePng(drawPicture({ split: TRAIN, label, index: number, channels: 3 }));
    case 'text':
      return Buffer.from('This is not an image: one file in every large dataset is like this.\n');
    case 'head':
      return (await drawJpeg(TRAIN, label, number)).subarray(0, 20);
    default:
      return drawJpeg(TRAIN, label, number);
  }
}

function drawJpeg(split: number, label: number, index: number): Promise<Buffer> {
  const channels = index % GREY_EVERY === GREY_EVERY - 1 ? 1 : 3;
  return encodeJpeg({ ...drawPicture({ split, label, index, channels }), quality: QUALITY });
}

function classIdOf(label: number): string {
  return `s${String(label + 1).padStart(8, '0')}`;
}

function linesOf(lines: readonly string[]): Buffer {
  return Buffer.from(`${lines.join('\n')}\n`);
}
