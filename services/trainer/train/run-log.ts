/** The log of a run, `log.csv`: a row a step with its loss, a row a test with its accuracy, for whatever plots CSV. */
import { open, readFile } from 'node:fs/promises';
import { codeOf } from '../../../lib/core/errors.js';
import { writeFileAtomic } from '../../../lib/platform/atomic-file.js';
import { toDiskError } from '../../../lib/platform/system-error.js';
import type { Evaluation } from './evaluate.js';

export const RUN_LOG_FILE = 'log.csv';

const COLUMNS = [
  'step',
  'epoch',
  'loss',
  'learning_rate',
  'wait_ms',
  'work_ms',
  'test_loss',
  'test_top1',
  'test_top5',
] as const;

export interface StepRow {
  readonly runStep: number;
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  /** Milliseconds of waiting for data, and of work. */
  readonly waitMs: number;
  readonly workMs: number;
}

export interface RunLog {
  /** Losses by step as they stand in the file, in order. */
  readonly losses: readonly { readonly runStep: number; readonly loss: number }[];
  step(row: StepRow): Promise<void>;
  /** The accuracy after a step; told again, by a run that was resumed there, it stands already. */
  test(runStep: number, accuracy: Evaluation): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the log of a run that has come to `runStep`: rows of later steps, which a killed process has left behind its last
 * checkpoint, go out. Throws ERR_DISK.
 */
export async function openRunLog(path: string, runStep: number): Promise<RunLog> {
  const rows = (await readRows(path)).filter((row) => Number(row.split(',')[0]) <= runStep);
  await writeFileAtomic(path, `${[COLUMNS.join(','), ...rows].join('\n')}\n`);
  const losses = rows.flatMap((row) => {
    const [step, , loss] = row.split(',');
    return loss === '' ? [] : [{ runStep: Number(step), loss: Number(loss) }];
  });
  const tested = new Set(rows.map((row) => row.split(',')).flatMap(([step, , loss]) => (loss === '' ? [step] : [])));
  const file = await open(path, 'a');
  const append = async (cells: readonly (number | string)[]): Promise<void> => {
    try {
      await file.appendFile(`${cells.join(',')}\n`);
    } catch (error) {
      throw toDiskError(error, path);
    }
  };
  return {
    losses,
    async step({ runStep: step, epoch, loss, learningRate, waitMs, workMs }) {
      losses.push({ runStep: step, loss });
      await append([step, epoch, loss, learningRate, waitMs.toFixed(1), workMs.toFixed(1), '', '', '']);
    },
    async test(step, { loss, top1, top5 }) {
      if (!tested.has(String(step))) await append([step, '', '', '', '', '', loss, top1, top5]);
      tested.add(String(step));
    },
    close: () => file.close(),
  };
}

/** Whole rows without the heading; none when there is no file. */
async function readRows(path: string): Promise<string[]> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n');
    // Behind the last line break there is nothing, or a row that was cut.
    return lines.slice(1, -1).filter((line) => line.split(',').length === COLUMNS.length);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
