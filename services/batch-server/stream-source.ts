/** The splits that a request is for, opened and held while its stream runs. */
import type { StreamBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import type { Mean } from '../../lib/core/transform.js';
import { joinPlaces } from '../../lib/shards/joined-split.js';
import type { RecordPlace } from '../../lib/shards/shard-reader.js';
import type { SplitReader } from '../../lib/shards/split-reader.js';
import { check } from './check-field.js';
import type { DatasetStore, Lease } from './dataset-store.js';

const MAX_SOURCES = 64;

export interface StreamSource {
  /** In the order of the request; at least one. */
  readonly splits: readonly [SplitReader, ...SplitReader[]];
  /** The versions of all that the stream is made from, the mean's too. */
  readonly version: string;
  readonly mean: Mean;
  /** Where a sample's record lies; ids are dense over the splits. Throws ERR_SHARD_CORRUPT. */
  readonly placeOf: (sampleId: number) => RecordPlace;
  release(): Promise<void>;
}

/** Names of what a request is for, for people: several are joined with `+`. */
export function sourceNames({ dataset, split, sources }: StreamBatchesRequest): { dataset: string; split: string } {
  if (sources.length === 0) return { dataset, split };
  return {
    dataset: sources.map((source) => source.dataset).join('+'),
    split: sources.map((source) => source.split).join('+'),
  };
}

/** Throws UsageError naming the field; ERR_NOT_FOUND. Give it back with `release`. */
export async function openStreamSource(store: DatasetStore, request: StreamBatchesRequest): Promise<StreamSource> {
  const { dataset, split, version, selection, sources } = request;
  if (sources.length > 0) {
    check(sources.length <= MAX_SOURCES, 'sources', `at most ${MAX_SOURCES}`, sources.length);
    for (const [field, value] of Object.entries({ dataset, split, version })) {
      check(value === '', field, 'nothing beside sources', `"${value}"`);
    }
    check(selection === undefined, 'selection', 'none beside sources', 'one');
  }
  const leases: Lease[] = [];
  const release = async (): Promise<void> => {
    await Promise.all(leases.map((lease) => lease.release()));
  };
  try {
    const first = await store.acquire(sources[0]?.dataset ?? dataset, sources[0]?.split ?? split);
    leases.push(first);
    for (const source of sources.slice(1)) leases.push(await store.acquire(source.dataset, source.split));
    const splits = leases.map(({ split: opened }) => opened);
    const mean = await meanOf(store, request, first, leases);
    return {
      splits: [first.split, ...splits.slice(1)],
      version: leases.map((lease) => lease.split.manifest.version).join('+'),
      mean,
      placeOf: joinPlaces(splits),
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** The mean that the request wants subtracted. A split opened for it is added to `leases`. */
async function meanOf(
  store: DatasetStore,
  { meanDataset, meanSplit }: StreamBatchesRequest,
  first: Lease,
  leases: Lease[],
): Promise<Mean> {
  let lease = first;
  if (meanDataset !== '' || meanSplit !== '') {
    lease = await store.acquire(meanDataset, meanSplit);
    leases.push(lease);
    const [got, expected] = [lease, first].map(({ split: { manifest } }) => Object.values(manifest.shape).join('×'));
    check(got === expected, 'mean_split', `a split of ${expected} samples`, got);
  }
  const { manifest, mean } = lease.split;
  return { image: mean.data, channels: manifest.channelMean };
}
