/** The splits under a root, opened when first asked for and shared by all streams. */
import { readdir } from 'node:fs/promises';
import { MillraceError } from '../../lib/core/errors.js';
import { codeOf } from '../../lib/core/errors.js';
import { datasetsFolder, splitFolder } from '../../lib/platform/root-layout.js';
import { hasOneShape, readManifest, type Manifest } from '../../lib/shards/manifest.js';
import { openSplit, type SplitReader } from '../../lib/shards/split-reader.js';

/** A split in use; give it back with `release` when done. */
export interface Lease {
  readonly split: SplitReader;
  release(): Promise<void>;
}

export interface DatasetStore {
  /** The manifests of all finished splits whose samples have one shape, by dataset and split. */
  list(): Promise<Manifest[]>;
  /** Opens a split, or shares it. Throws ERR_NOT_FOUND. */
  acquire(dataset: string, split: string): Promise<Lease>;
  /** Closes what is open; only when every lease has been given back. */
  close(): Promise<void>;
}

/** What a dataset or split may be called: nothing that a path could be made of. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

interface Entry {
  readonly reader: Promise<SplitReader>;
  readonly version: string;
  numLeases: number;
  /** A newer version has taken its place: close it with its last lease. */
  isSuperseded: boolean;
}

export function createDatasetStore(root: string): DatasetStore {
  const entries = new Map<string, Entry>();

  const entryOf = async (dataset: string, split: string): Promise<Entry> => {
    const folder = splitFolder(root, dataset, split);
    // Read each time: a new version may have been put in place, and streams on the old one go on with theirs.
    const manifest = NAME.test(dataset) && NAME.test(split) ? await readManifest(folder) : undefined;
    if (manifest === undefined) {
      throw new MillraceError('ERR_NOT_FOUND', `this server has no split "${split}" of a dataset "${dataset}"`);
    }
    const known = entries.get(folder);
    if (known?.version === manifest.version) return known;
    if (known !== undefined) {
      known.isSuperseded = true;
      await closeIfUnused(known);
    }
    const entry: Entry = { reader: openSplit(folder), version: manifest.version, numLeases: 0, isSuperseded: false };
    // Whoever waits for it sees the failure; the entry must not stay.
    entry.reader.catch(() => entries.delete(folder));
    entries.set(folder, entry);
    return entry;
  };

  return {
    async list() {
      const manifests: Manifest[] = [];
      for (const dataset of await foldersIn(datasetsFolder(root))) {
        for (const split of await foldersIn(splitFolder(root, dataset, ''))) {
          const manifest = await readManifest(splitFolder(root, dataset, split));
          if (manifest !== undefined && hasOneShape(manifest)) manifests.push(manifest);
        }
      }
      return manifests;
    },
    async acquire(dataset, split) {
      const entry = await entryOf(dataset, split);
      const reader = await entry.reader;
      entry.numLeases++;
      let isReleased = false;
      return {
        split: reader,
        async release() {
          if (isReleased) return;
          isReleased = true;
          entry.numLeases--;
          await closeIfUnused(entry);
        },
      };
    },
    async close() {
      await Promise.all([...entries.values()].map(async (entry) => (await entry.reader).close()));
      entries.clear();
    },
  };
}

async function closeIfUnused(entry: Entry): Promise<void> {
  if (entry.isSuperseded && entry.numLeases === 0) await (await entry.reader).close();
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && NAME.test(entry.name))
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
