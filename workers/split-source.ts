/** Where a split comes from: its archive with the index of its members, its label list, its classes. */
import { parseClassNames, parseList, type ListEntry } from '../lib/core/image-list.js';
import type { IndexedArchive } from '../lib/archives/archive.js';
import type { MemberIndex } from '../lib/archives/member-index.js';
import type { Dataset, SplitSource as SplitEntry } from '../lib/catalog/dataset-schema.js';
import type { Manifest } from '../lib/shards/manifest.js';
import type { DatasetFiles, FileFacts } from './dataset-files.js';

export interface SplitSource {
  readonly entry: SplitEntry;
  readonly archive: IndexedArchive;
  /** The label list; undefined when labels come from folders. */
  readonly list: readonly ListEntry[] | undefined;
  /** By label. Empty when a list gives the labels and nothing names them. */
  readonly classes: Manifest['classes'];
  /** Every file that the split is made from, the archive of images first. */
  readonly files: readonly FileFacts[];
}

/** Opens what a split is made from; its archive is indexed when that has not been done. Throws what {@link DatasetFiles} does. */
export async function openSplitSource(files: DatasetFiles, dataset: Dataset, split: string): Promise<SplitSource> {
  const entry = dataset.splits[split];
  const imageFile = await files.facts(entry.archive);
  const archive = await files.openArchive(entry.archive, entry.layout);
  const textSources = [entry.labels.from === 'list' ? entry.labels.list : undefined, dataset.classes];
  const textFiles = new Set(textSources.flatMap((source) => source?.archive ?? []));
  textFiles.delete(entry.archive);

  const list = entry.labels.from === 'list' ? parseList(await files.readText(entry.labels.list)) : undefined;
  return {
    entry,
    archive,
    list,
    classes:
      dataset.classes !== undefined
        ? parseClassNames(await files.readText(dataset.classes))
        : list === undefined
          ? folderClasses(archive.index, dataset, entry)
          : [],
    files: [imageFile, ...(await Promise.all([...textFiles].map((file) => files.facts(file))))],
  };
}

/** The first folder of a record's name is its class; undefined for what lies in no folder, and for files that tools hide. */
export function folderOf(name: string): string | undefined {
  const slash = name.indexOf('/');
  const isHidden = name.startsWith('.', name.lastIndexOf('/') + 1);
  return slash < 0 || isHidden ? undefined : name.slice(0, slash);
}

/** A member's name as a record: without the split's prefix; undefined for members of other splits. */
export function recordNameOf(memberName: string, prefix: string): string | undefined {
  return memberName.startsWith(prefix) ? memberName.slice(prefix.length) : undefined;
}

/**
 * The folders, sorted, of all splits that lie in this archive: a split that lacks a class must not give the others other labels.
 */
function folderClasses(index: MemberIndex, dataset: Dataset, entry: SplitEntry): Manifest['classes'] {
  const prefixes = Object.values(dataset.splits)
    .filter(({ archive, labels }) => archive === entry.archive && labels.from === 'folder')
    .map(({ prefix }) => prefix);
  const ids = new Set<string>();
  for (let member = 0; member < index.numMembers; member++) {
    const name = index.name(member);
    for (const prefix of prefixes) {
      const folder = folderOf(recordNameOf(name, prefix) ?? '');
      if (folder !== undefined) ids.add(folder);
    }
  }
  return [...ids].sort((a, b) => (a < b ? -1 : 1)).map((id) => ({ id, name: id }));
}
