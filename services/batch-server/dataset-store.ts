/** The splits under a root, opened when first asked for and shared by all streams. */
import { readdir } from 'node:fs/promises';
import { codeOf, MillraceError } from '../../lib/core/errors.js';
import { datasetsFolder, splitFolder } from '../../lib/platform/root-layout.js';
import { hasOneShape, readManifest, type Manifest } from '../../lib/shards/manifest.js';
import type { Logger } from '../../lib/platform/logger.js';
import { OpenFiles } from '../../lib/shards/open-files.js';
import { fixSplit, type SplitIdentity } from '../../lib/shards/split-files.js';
import { openSplit, type SplitReader } from '../../lib/shards/split-reader.js';

/** A split in use; give it back with `release` when done. */
export interface Lease {
  readonly split: SplitReader;
  release(): Promise<void>;
}

export interface DatasetStore {
  /** Notes which files all finished splits are now, before anybody asks for one: {@link acquire} holds them against it. */
  note(): Promise<void>;
  /** The manifests of all finished splits whose samples have one shape, by dataset and split. One that is damaged is left out, and told in the log. */
  list(): Promise<Manifest[]>;
  /**
   * Opens a split, or shares it. Throws ERR_NOT_FOUND; ERR_SHARD_CORRUPT when a shard has been replaced by what is not its content since the split
   * was noted or opened before.
   */
  acquire(dataset: string, split: string): Promise<Lease>;
  /** Closes what is open; only when every lease has been given back. */
  close(): Promise<void>;
}

/** What a dataset or split may be called: nothing that a path could be made of. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/;

interface Entry {
  readonly version: string;
  readonly opening: Promise<SplitReader>;
  /** Once it is open. */
  reader: SplitReader | undefined;
  /** Streams that use it, and those that wait for it to be open. */
  numLeases: number;
}

export interface DatasetStoreOptions {
  /** Shard files that are open at a time, of all splits. Default: that of OpenFiles. */
  readonly maxOpenShards?: number | undefined;
  /** Opens a split. Default: `openSplit`. */
  readonly open?: typeof openSplit;
  readonly log?: Logger;
}

export function createDatasetStore(root: string, options: DatasetStoreOptions = {}): DatasetStore {
  const { maxOpenShards, open = openSplit, log } = options;
  const files = new OpenFiles(maxOpenShards);
  /** The latest of each folder; earlier ones live as long as their leases. */
  const latest = new Map<string, Entry>();
  /** Of each folder: which files it was when it was noted or opened last. */
  const identities = new Map<string, SplitIdentity>();

  const closeIfUnused = async (folder: string, entry: Entry): Promise<void> => {
    if (latest.get(folder) !== entry && entry.numLeases === 0) await entry.reader?.close();
  };

  const openEntry = (folder: string, version: string): Entry => {
    const entry: Entry = {
      version,
      opening: open(folder, files, identities.get(folder)),
      reader: undefined,
      numLeases: 0,
    };
    const superseded = latest.get(folder);
    latest.set(folder, entry);
    if (superseded !== undefined) void closeIfUnused(folder, superseded);
    entry.opening.then(
      (reader) => {
        entry.reader = reader;
        identities.set(folder, reader.identity);
      },
      () => {
        // Whoever waits for it sees the failure; the next one tries again.
        if (latest.get(folder) === entry) latest.delete(folder);
      },
    );
    return entry;
  };

  return {
    async note() {
      for (const folder of await splitFolders(root)) {
        // What is no finished split, or damaged, is told to whoever asks for it.
        const split = await fixSplit(folder).catch(() => undefined);
        if (split === undefined) continue;
        split.held.close();
        identities.set(folder, split.identity);
      }
    },
    async list() {
      const manifests: Manifest[] = [];
      for (const folder of await splitFolders(root)) {
        const manifest = await readManifest(folder).catch((error: unknown) => {
          if (codeOf(error) !== 'ERR_SHARD_CORRUPT') throw error;
          log?.warn({ err: error, folder }, 'a manifest cannot be understood');
          return undefined;
        });
        if (manifest !== undefined && hasOneShape(manifest)) manifests.push(manifest);
      }
      return manifests;
    },
    async acquire(dataset, split) {
      const folder = splitFolder(root, dataset, split);
      // Read each time: a new version may have been put in place, and streams on the old one go on with theirs.
      const manifest = NAME.test(dataset) && NAME.test(split) ? await readManifest(folder) : undefined;
      if (manifest === undefined) {
        throw new MillraceError('ERR_NOT_FOUND', `this server has no split "${split}" of a dataset "${dataset}"`);
      }
      const known = latest.get(folder);
      const isUsable = known?.version === manifest.version && known.reader?.isStale() !== true;
      const entry = isUsable ? known : openEntry(folder, manifest.version);
      // Before anything is waited for: an entry without leases may be closed.
      entry.numLeases++;
      let isReleased = false;
      const release = async (): Promise<void> => {
        if (isReleased) return;
        isReleased = true;
        entry.numLeases--;
        await closeIfUnused(folder, entry);
      };
      try {
        return { split: await entry.opening, release };
      } catch (error) {
        await release();
        throw error;
      }
    },
    async close() {
      const entries = [...latest.values()];
      latest.clear();
      await Promise.all(entries.map(async ({ opening }) => (await opening).close()));
    },
  };
}

/** Folders that may hold a split, by dataset and split. */
async function splitFolders(root: string): Promise<string[]> {
  const folders: string[] = [];
  for (const dataset of await foldersIn(datasetsFolder(root))) {
    for (const split of await foldersIn(splitFolder(root, dataset, '')))
      folders.push(splitFolder(root, dataset, split));
  }
  return folders;
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
