/** Which files the archive server serves for a dataset. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { findDataset } from '../../lib/catalog/catalog.js';
import type { Dataset } from '../../lib/catalog/dataset-schema.js';
import { messageOf, MillraceError } from '../../lib/core/errors.js';
import type { Reporter } from '../../lib/platform/progress.js';
import { makeSampleArchives } from './sample/sample-archives.js';

export interface ServedDataset {
  readonly dataset: Dataset;
  /** From an archive's name to the path of its file. */
  readonly files: ReadonlyMap<string, string>;
}

/** Names of the datasets that can be served without fetching anything. */
export const SERVED_DATASETS = ['sample', 'ilsvrc2012-sample'] as const;
export type ServedDatasetName = (typeof SERVED_DATASETS)[number];

export interface OpenOptions {
  /** Folder that the drawn archives of `sample` are kept in. */
  readonly sampleFolder: string;
  /** Folder with the real archives of `ilsvrc2012-sample`. */
  readonly testData: string;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal;
}

/**
 * Makes or finds the archives of a dataset. Throws ERR_NOT_FOUND naming the file when the test data lacks one, ERR_DISK,
 * InterruptedError.
 */
export async function openServedDataset(name: ServedDatasetName, options: OpenOptions): Promise<ServedDataset> {
  switch (name) {
    case 'sample': {
      const dataset = await makeSampleArchives(options.sampleFolder, options);
      return { dataset, files: filesIn(options.sampleFolder, dataset) };
    }
    case 'ilsvrc2012-sample':
      return openIlsvrcSample(options.testData);
  }
}

/** The real archives lie under their own names, the lists in Caffe's folder of auxiliary files: served as they are, no copies. */
async function openIlsvrcSample(testData: string): Promise<ServedDataset> {
  const dataset = await findDataset('ilsvrc2012-sample');
  const files = new Map(
    dataset.archives.map(({ file }) => [file, join(testData, file.endsWith('.txt') ? 'ilsvrc12-aux' : '', file)]),
  );
  for (const path of files.values()) {
    await access(path).catch((error: unknown) => {
      throw new MillraceError(
        'ERR_NOT_FOUND',
        `cannot read ${path}: ${messageOf(error)}; let MILLRACE_TEST_DATA name the folder with the real archives`,
        { cause: error, context: { path } },
      );
    });
  }
  return { dataset, files };
}

function filesIn(folder: string, dataset: Dataset): Map<string, string> {
  return new Map(dataset.archives.map(({ file }) => [file, join(folder, file)]));
}
