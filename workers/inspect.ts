/** Facts of a prepared split, or of any LMDB environment of Datums. */
import { throwIfAborted } from '../lib/core/errors.js';
import type { Reporter } from '../lib/platform/progress.js';
import type { SampleShape } from '../lib/core/tensor.js';
import type { AnyManifest } from '../lib/shards/manifest.js';
import { openShard } from '../lib/shards/shard-reader.js';
import { openAnySplit } from '../lib/shards/split-reader.js';

/** Label → number of samples, in ascending order of labels. */
export type LabelCounts = ReadonlyMap<number, number>;

export interface SplitFacts {
  readonly manifest: AnyManifest;
  readonly labelCounts: LabelCounts;
}

export interface ShardFactsShown {
  readonly numSamples: number;
  readonly firstKey: string | undefined;
  readonly lastKey: string | undefined;
  /** Of the first record; undefined when there is none, or it is an image file. */
  readonly shape: SampleShape | undefined;
  readonly labelCounts: LabelCounts;
}

/** Records read between two looks at the signal. */
const SAMPLES_PER_TURN = 1024;

/**
 * What the manifest says; reads the label of every sample only where it has not counted them.
 * Throws ERR_NOT_FOUND, ERR_SHARD_CORRUPT, InterruptedError.
 */
export async function inspectSplit(folder: string, reporter: Reporter, signal: AbortSignal): Promise<SplitFacts> {
  const split = await openAnySplit(folder);
  const { manifest } = split;
  const { numSamples } = manifest;
  const counts = new Map<number, number>();
  try {
    if (manifest.classCounts !== undefined) {
      manifest.classCounts.forEach((numInClass, label) => numInClass > 0 && counts.set(label, numInClass));
      return { manifest, labelCounts: counts };
    }
    for (let begin = 0; begin < numSamples; begin += SAMPLES_PER_TURN) {
      throwIfAborted(signal);
      const end = Math.min(numSamples, begin + SAMPLES_PER_TURN);
      const ids = Array.from({ length: end - begin }, (_, i) => begin + i);
      split.read(ids, ({ label }) => count(counts, label));
      reporter.progress({ stage: `inspect ${manifest.split}`, unit: 'images', done: end, total: numSamples });
      await new Promise(setImmediate);
    }
  } finally {
    await split.close();
  }
  return { manifest, labelCounts: sorted(counts) };
}

/** Reads every record of the environment in `folder`, whoever wrote it. Throws ERR_SHARD_CORRUPT. */
export async function inspectShard(folder: string): Promise<ShardFactsShown> {
  const shard = openShard(folder);
  try {
    const { numSamples } = shard;
    const counts = new Map<number, number>();
    let shape: SampleShape | undefined;
    shard.read(Array(numSamples).keys(), (datum, index) => {
      count(counts, datum.label);
      if (index === 0 && !datum.isEncoded) shape = datum.shape;
    });
    return {
      numSamples,
      firstKey: numSamples === 0 ? undefined : shard.keyAt(0),
      lastKey: numSamples === 0 ? undefined : shard.keyAt(numSamples - 1),
      shape,
      labelCounts: sorted(counts),
    };
  } finally {
    await shard.close();
  }
}

function count(counts: Map<number, number>, label: number): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}

function sorted(counts: Map<number, number>): LabelCounts {
  return new Map([...counts].sort(([a], [b]) => a - b));
}
