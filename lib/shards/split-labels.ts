/**
 * The labels of a split by sample id, beside its shards: whoever balances classes or wants some of them need not read every record.
 * The file is derived: the split's version in ASCII, then an int32 (little endian) a sample. Another version, or no file: it is
 * made again from the records.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../core/errors.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { LABELS_FILE } from '../platform/root-layout.js';
import type { Datum } from './datum.js';
import type { Manifest } from './manifest.js';

/** Records read before others get their turn on this thread. */
const CHUNK_SAMPLES = 256;

export async function writeLabels(folder: string, version: string, labels: Int32Array): Promise<void> {
  const bytes = Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength);
  await writeFileAtomic(join(folder, LABELS_FILE), Buffer.concat([Buffer.from(version, 'ascii'), bytes]));
}

/** `read` visits records by id, as a SplitReader's does. Throws what it throws. */
export async function readLabels(
  folder: string,
  { version, numSamples }: Pick<Manifest, 'version' | 'numSamples'>,
  read: (ids: ArrayLike<number>, visit: (datum: Datum, place: number) => void) => void,
): Promise<Int32Array> {
  const known = await readFile(join(folder, LABELS_FILE)).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (known?.length === version.length + 4 * numSamples && known.toString('ascii', 0, version.length) === version) {
    // A copy: views of 32 bits must be aligned.
    return new Int32Array(new Uint8Array(known.subarray(version.length)).buffer);
  }
  const labels = new Int32Array(numSamples);
  for (let begin = 0; begin < numSamples; begin += CHUNK_SAMPLES) {
    const ids = Array.from({ length: Math.min(CHUNK_SAMPLES, numSamples - begin) }, (_, i) => begin + i);
    read(ids, (datum, place) => (labels[begin + place] = datum.label));
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The folder may be read-only for a server: then the next one reads the records again.
  await writeLabels(folder, version, labels).catch(() => undefined);
  return labels;
}

/** Ids by label, each list ascending: views of one array. A label that no sample has is not there. */
export function groupByLabel(labels: Int32Array): ReadonlyMap<number, Uint32Array> {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const ids = new Uint32Array(labels.length);
  const groups = new Map<number, Uint32Array>();
  let begin = 0;
  for (const [label, count] of counts) {
    groups.set(label, ids.subarray(begin, begin + count));
    begin += count;
    counts.set(label, 0);
  }
  labels.forEach((label, id) => {
    const numPlaced = counts.get(label) ?? 0;
    (groups.get(label) ?? ids)[numPlaced] = id;
    counts.set(label, numPlaced + 1);
  });
  return groups;
}
