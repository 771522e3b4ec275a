/** What the RPCs of one service share. */
import type { Logger } from '../../../lib/platform/logger.js';
import type { DownloadQueue } from './download-queue.js';

export interface ServiceContext {
  readonly queue: DownloadQueue;
  readonly log: Logger;
  /** Aborted when the service drains: watchers are sent away. */
  readonly draining: AbortSignal;
}
