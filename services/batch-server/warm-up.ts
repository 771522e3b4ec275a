/** Reading shards once, so that they lie in the page cache when the first trainer comes. */
import { open } from 'node:fs/promises';
import { freemem } from 'node:os';
import { throwIfAborted } from '../../lib/core/errors.js';
import { formatBytes } from '../../lib/platform/progress.js';
import { splitFolder } from '../../lib/platform/root-layout.js';
import type { Logger } from '../../lib/platform/logger.js';
import { shardFiles } from '../../lib/shards/shard-files.js';
import type { DatasetStore } from './dataset-store.js';

const CHUNK_BYTES = 4 << 20;

export interface WarmUpOptions {
  readonly root: string;
  readonly store: DatasetStore;
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
}

export class WarmUp {
  bytesDone = 0;
  bytesTotal = 0;

  /**
   * Reads all splits, one chunk after the other beside what else the server does. Resolves when it is through, or was stopped; a shard that
   * cannot be read is told in the log and left to the stream that needs it.
   */
  async run({ root, store, log, signal }: WarmUpOptions): Promise<void> {
    try {
      const manifests = await store.list();
      this.bytesTotal = manifests.flatMap(({ shards }) => shards).reduce((sum, { bytes }) => sum + bytes, 0);
      const total = formatBytes(this.bytesTotal);
      if (this.bytesTotal > freemem())
        log.warn(`--warm: ${total} of shards, and ${formatBytes(freemem())} of memory free`);
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      for (const manifest of manifests) {
        const { dataset, split } = manifest;
        for (const path of shardFiles(splitFolder(root, dataset, split), manifest)) {
          await this.#read(path, chunk, signal).catch((error: unknown) => {
            throwIfAborted(signal);
            log.warn({ err: error, dataset, split }, 'a shard could not be read');
          });
        }
        log.info({ dataset, split, done: this.bytesDone, total: this.bytesTotal }, 'shards are warm');
      }
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'warming up ended');
    }
  }

  async #read(path: string, chunk: Buffer, signal: AbortSignal): Promise<void> {
    const file = await open(path, 'r');
    try {
      for (;;) {
        throwIfAborted(signal);
        const { bytesRead } = await file.read(chunk, 0, chunk.length);
        if (bytesRead === 0) return;
        this.bytesDone += bytesRead;
      }
    } finally {
      await file.close();
    }
  }
}
