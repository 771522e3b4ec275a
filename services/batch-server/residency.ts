/** How much of each split lies in memory, looked at when somebody asks, and not too often. */
import type { SplitStatus } from '../../protos/gen/millrace/v1/batch.js';
import { residentBytes } from '../../lib/platform/page-cache.js';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { shardFiles } from '../../lib/shards/shard-files.js';
import type { DatasetStore } from './dataset-store.js';

const MAX_AGE_MS = 10_000;

/** What {@link Residency.look} gives is at most ten seconds old. Empty where the system cannot tell. */
export class Residency {
  #latest: Promise<SplitStatus[]> | undefined;
  #lookedAtMs = -Infinity;

  constructor(
    private readonly root: string,
    private readonly store: DatasetStore,
  ) {}

  look(): Promise<SplitStatus[]> {
    if (this.#latest === undefined || performance.now() - this.#lookedAtMs > MAX_AGE_MS) {
      this.#lookedAtMs = performance.now();
      this.#latest = this.#lookNow();
    }
    return this.#latest;
  }

  async #lookNow(): Promise<SplitStatus[]> {
    const splits: SplitStatus[] = [];
    for (const manifest of await this.store.list()) {
      const { dataset, split, version, shards } = manifest;
      const resident = await residentBytes(shardFiles(splitFolder(this.root, dataset, split), manifest));
      if (resident === undefined) continue;
      const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
      splits.push({ dataset, split, version, bytes, residentBytes: resident.reduce((sum, one) => sum + one, 0) });
    }
    return splits;
  }
}
