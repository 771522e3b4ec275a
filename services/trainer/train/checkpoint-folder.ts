/** The folder of a run's checkpoints, `step-00000120.safetensors`: the newest few are kept. */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import { sweepTemporaries, writeFileAtomic } from '../../../lib/platform/atomic-file.js';
import { toDiskError } from '../../../lib/platform/system-error.js';
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from './checkpoint.js';

export interface CheckpointFolder {
  /** Path of the checkpoint with the most steps done; undefined when there is none. */
  newest(): Promise<string | undefined>;
  /**
   * Commits a checkpoint and returns its path. Then `numKept` stay, it and the ones before it, and all others go: older ones, and
   * those of a run that had come further, which this one has left behind. Throws ERR_DISK.
   */
  save(checkpoint: Checkpoint): Promise<string>;
}

const NAME = /^step-\d{8,}\.safetensors$/;

/** Makes the folder if need be, and clears away what killed processes left in it. Throws ERR_DISK. */
export async function openCheckpointFolder(folder: string, numKept: number): Promise<CheckpointFolder> {
  try {
    await mkdir(folder, { recursive: true });
    await sweepTemporaries(folder);
  } catch (error) {
    throw toDiskError(error, folder);
  }
  return {
    async newest() {
      const name = (await listCheckpoints(folder)).at(-1);
      return name === undefined ? undefined : join(folder, name);
    },
    async save(checkpoint) {
      const name = `step-${String(checkpoint.progress.runStep).padStart(8, '0')}.safetensors`;
      const path = join(folder, name);
      await writeFileAtomic(path, encodeCheckpoint(checkpoint));
      const names = await listCheckpoints(folder);
      const end = names.indexOf(name) + 1;
      const kept = names.slice(Math.max(0, end - numKept), end);
      for (const other of names) {
        if (!kept.includes(other)) await rm(join(folder, other), { force: true });
      }
      return path;
    },
  };
}

/** Throws ERR_NOT_FOUND when it cannot be read, ERR_VERIFICATION when the file is not a whole checkpoint. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const message = `cannot read the checkpoint ${path}: ${messageOf(error)}`;
    throw new MillraceError('ERR_NOT_FOUND', message, { cause: error, context: { path } });
  }
  return decodeCheckpoint(bytes, path);
}

/** Fewest steps first. */
async function listCheckpoints(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => NAME.test(name));
  return names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
}
