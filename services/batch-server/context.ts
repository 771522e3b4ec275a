/** What the RPCs of one server share. */
import type { Logger } from '../../lib/platform/logger.js';
import type { AssemblyPool } from './assembly/assembly-pool.js';
import type { DatasetStore } from './dataset-store.js';
import type { ServerMetrics } from './metrics.js';
import type { Residency } from './residency.js';
import type { ProcessStatus } from './server-status.js';
import type { WarmUp } from './warm-up.js';
import type { StreamRegistry } from './stream-registry.js';

export interface ServerContext {
  readonly store: DatasetStore;
  readonly pool: AssemblyPool;
  /** Batches that are assembled ahead for each stream, at most. */
  readonly prefetchBatches: number;
  readonly streams: StreamRegistry;
  readonly residency: Residency;
  readonly warmUp: WarmUp;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  readonly startedAtMs: number;
  /** Of all processes behind the server's address, this one among them. */
  readonly statusOfAll: () => Promise<readonly ProcessStatus[]>;
  /** Aborted when the server drains: streams end at the next batch. */
  readonly draining: AbortSignal;
}
