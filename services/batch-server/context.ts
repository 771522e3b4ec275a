/** What the RPCs of one server share. */
import type { Logger } from '../../lib/platform/logger.js';
import type { DatasetStore } from './dataset-store.js';
import type { ServerMetrics } from './metrics.js';
import type { StreamRegistry } from './stream-registry.js';

export interface ServerContext {
  readonly store: DatasetStore;
  readonly streams: StreamRegistry;
  readonly metrics: ServerMetrics;
  readonly log: Logger;
  readonly startedAtMs: number;
  /** Aborted when the server drains: streams end at the next batch. */
  readonly draining: AbortSignal;
}
