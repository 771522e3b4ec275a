/** `--solver`: Caffe's solver.prototxt and the train_val.prototxt that it names, as settings of a run. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, MillraceError, UsageError } from '../lib/core/errors.js';
import { readNetPrototxt, type NetFile } from '../services/trainer/caffe/net-prototxt.js';
import { readSolverPrototxt } from '../services/trainer/caffe/solver-prototxt.js';
import type { PartialRunSettings } from '../services/trainer/train/run-settings.js';

export interface CaffeSolver {
  readonly net: NetFile;
  readonly settings: PartialRunSettings;
  /** What was read and changes nothing, for people. */
  readonly notes: readonly string[];
}

/** Throws ERR_NOT_FOUND when a file is missing, ERR_VERIFICATION naming path, line and field when it is not understood. */
export async function readCaffeSolver(path: string): Promise<CaffeSolver> {
  const text = await readFirst('--solver', [path]);
  const solver = readSolverPrototxt(text.content, path);
  // Caffe takes the path from the folder that it runs in, which is its own, not ours.
  const places = [solver.net, join(dirname(path), solver.net), join(dirname(path), basename(solver.net))];
  const netText = await readFirst(`net of ${path}`, places);
  const net = readNetPrototxt(netText.content, netText.path);
  return { net, settings: { ...net.settings, ...solver.settings }, notes: [...solver.notes, ...net.notes] };
}

/** The dataset and split of an LMDB below `<root>/datasets`. Throws UsageError when the path is none of that kind. */
export function datasetOfSource(source: string): { dataset: string; split: string } {
  const [, dataset, split] = /([^/]+)\/([^/]+?)(?:\/shard-\d+)?\/?$/.exec(source) ?? [];
  if (!resolve(source).includes('/datasets/')) {
    throw new UsageError(
      '<dataset>',
      `<dataset>: the solver's source ${source} is no folder <root>/datasets/<dataset>/<split>; name the dataset to train on`,
    );
  }
  return { dataset, split };
}

/** The first of several places that there is a file at. */
async function readFirst(what: string, places: readonly string[]): Promise<{ path: string; content: string }> {
  for (const path of new Set(places)) {
    try {
      return { path, content: await readFile(path, 'utf8') };
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
  throw new MillraceError('ERR_NOT_FOUND', `${what}: there is no file ${[...new Set(places)].join(' or ')}`);
}
