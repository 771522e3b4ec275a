import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { createLogger } from '../../lib/platform/logger.js';
import { connect } from '../../services/trainer/client/client.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface Holdings {
  readonly descriptors: number;
  readonly threads: number;
  readonly streams: number;
  readonly heldBytes: number;
}

describe('a batch server whose clients vanish', () => {
  const folder = temporaryFolder();
  const shape = { height: 64, width: 64, channels: 3 };
  let server: BatchServer;

  before(async function () {
    // Only Linux tells a process of its own descriptors and threads in this way.
    if (process.platform !== 'linux') this.skip();
    await makeSplit(folder.path, {
      ...{ dataset: 'fixture', split: 'train' },
      numSamples: 400,
      shape,
      shardSamples: 50,
    });
    server = BatchServer.create(
      { root: folder.path, port: 0, drainMs: 0, metricsPort: 0 },
      createLogger('test', 'silent'),
    );
    await server.start();
  });
  after(async () => server.destroy());

  const holdings = async (): Promise<Holdings> => {
    const text = await (
      await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`, { headers: { connection: 'close' } })
    ).text();
    const metric = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
    return {
      descriptors: readdirSync('/proc/self/fd').length,
      threads: readdirSync('/proc/self/task').length,
      streams: metric('millrace_serve_streams_active'),
      heldBytes: metric('millrace_serve_memory_held_bytes'),
    };
  };
  /** A stream that is left after `numBatches`, its connection with it. */
  const leave = async (numBatches: number, isAborted: boolean): Promise<void> => {
    const client = connect({ servers: [server.address], giveUpMs: 0 });
    const controller = new AbortController();
    const options = { dataset: 'fixture', split: 'train', batchSize: 100, prefetchBytes: 0, signal: controller.signal };
    let numTaken = 0;
    try {
      for await (const batch of client.stream(options)) {
        numTaken += batch.ids.length / 100;
        if (numTaken < numBatches) continue;
        if (!isAborted) break;
        controller.abort();
      }
    } catch (error) {
      if (!controller.signal.aborted) throw error;
    } finally {
      client.close();
    }
  };

  it('has after a hundred of them what it had before', async function () {
    // Each of them starts a thread, which takes its time on a busy machine.
    this.timeout(180_000);
    // Shards are opened, and threads started, by the first ones.
    for (let i = 0; i < 5; i++) await leave(5, false);
    const same = async (expected?: Holdings): Promise<Holdings> => {
      for (;;) {
        const now = await holdings();
        const isIdle = now.streams === 0 && now.heldBytes === 0;
        if (isIdle && (expected === undefined || now.descriptors <= expected.descriptors)) return now;
      }
    };
    const before = await same();
    for (let i = 0; i < 100; i += 4) {
      await Promise.all([leave(1, true), leave(2, false), leave(3, true), leave(1 + (i % 5), false)]);
    }
    const after = await same(before);
    assert.deepEqual({ streams: after.streams, heldBytes: after.heldBytes }, { streams: 0, heldBytes: 0 });
    assert.ok(after.threads <= before.threads, `${before.threads} threads before, ${after.threads} after`);
  });
});
