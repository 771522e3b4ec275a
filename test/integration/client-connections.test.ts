/** Streams whose batches come in parts, over several connections. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MillraceError, UsageError } from '../../lib/core/errors.js';
import type { BatchServer } from '../../services/batch-server/server.js';
import {
  connect,
  type Batch,
  type Client,
  type StreamOptions,
  type StreamState,
} from '../../services/trainer/client/client.js';
import { collectBatches, startBatchServer } from '../fixtures/batch-server.js';
import { startMillrace } from '../fixtures/cli.js';
import { startRelay } from '../fixtures/relay.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const SPLIT = {
  dataset: 'fixture',
  split: 'train',
  numSamples: 100,
  shape: { height: 40, width: 36, channels: 3 },
  shardSamples: 50,
};
const OPTIONS = {
  dataset: 'fixture',
  split: 'train',
  batchSize: 8,
  seed: 11,
  epochs: 2,
  prefetchBytes: 0,
} as const satisfies StreamOptions;

describe('a stream over several connections', () => {
  const folder = temporaryFolder();
  let servers: BatchServer[];
  let client: Client;

  before(async () => {
    await makeSplit(folder.path, SPLIT);
    servers = [await startBatchServer(folder.path), await startBatchServer(folder.path)];
    client = connect({ servers: servers.map(({ address }) => address) });
  });
  after(async () => {
    client.close();
    await Promise.all(servers.map((server) => server.destroy()));
  });

  const cases: Record<string, Partial<StreamOptions>> = {
    'plain batches': {},
    'batches from a thread': { prefetchBytes: 1 << 20, epochs: 1 },
    'one rank of two, padded': { rank: 1, worldSize: 2, endOfEpoch: 'pad' },
    'batches across epochs': { endOfEpoch: 'wrap', from: { epoch: 1, step: 3 } },
    'planes of ten crops': { transform: { cropSize: 24, cropMode: 'ten', layout: 'NCHW' } },
    'floats, cropped at random': {
      transform: { cropSize: 24, cropMode: 'random-resized', mirror: true, dtype: 'float32', mean: 'channel' },
    },
    'mixed pairs with smoothed labels': {
      transform: { mirror: true, mixing: { mixupAlpha: 0.4, cutmixAlpha: 1 } },
      labels: { smoothing: 0.1 },
    },
  };
  for (const [name, change] of Object.entries(cases)) {
    it(`gives the batches that one connection gives: ${name}`, async () => {
      const expected = await collectBatches(client, { ...OPTIONS, ...change });
      assert.ok(expected.length > 5);
      for (const connections of [2, 4]) {
        assert.deepEqual(await collectBatches(client, { ...OPTIONS, ...change, connections }), expected);
      }
    });
  }

  it('has TCP connections of its own for them, spread over the servers', async () => {
    const relays = await Promise.all(servers.map(({ address }) => startRelay(address)));
    const other = connect({ servers: relays.map(({ address }) => address) });
    await collectBatches(other, { ...OPTIONS, connections: 4 });
    assert.deepEqual(
      relays.map(({ numConnections }) => numConnections),
      [2, 2],
    );
    other.close();
    await Promise.all(relays.map((relay) => relay.close()));
  });

  it('gives the same sequence when a server is killed in mid-stream, and on resuming with another number of them', async () => {
    const killed = await startServerProcess(folder.path);
    const other = connect({ servers: [killed.address, servers[0].address], backoff: { baseMs: 1, maxMs: 5 } });
    const endless = { ...OPTIONS, epochs: undefined, connections: 2 };
    const stream = other.stream(endless);
    const got: Batch[] = [];
    let numAfterLoss = 0;
    for await (const batch of stream) {
      got.push(batch);
      if (got.length === 5) killed.process.kill('SIGKILL');
      if (stream.metrics().numReconnects > 0 && ++numAfterLoss === 30) break;
    }
    const resumeFrom = JSON.parse(JSON.stringify(stream.state())) as StreamState;
    for (const connections of [1, 4]) {
      const rest = await collectBatches(other, { ...endless, connections, resumeFrom }, 10);
      const expected = await collectBatches(client, { ...endless, connections: 1 }, got.length + 10);
      assert.deepEqual([...got, ...rest], expected);
    }
    other.close();
  });

  it('ends with what one of them ends with, and leaves none behind', async () => {
    const otherFolder = join(folder.path, 'other');
    await makeSplit(otherFolder, { ...SPLIT, salt: 1 });
    const changed = await startBatchServer(otherFolder);
    const other = connect({ servers: [servers[0].address, changed.address] });
    await assert.rejects(
      collectBatches(other, { ...OPTIONS, epochs: undefined, connections: 2 }),
      (error) => error instanceof MillraceError && error.code === 'ERR_VERSION_CHANGED',
    );
    other.close();
    while (!/^millrace_serve_streams_active 0$/m.test(await servers[0].registry.metrics())) await nextTurn();
    await changed.destroy();
  });

  it('refuses a number that does not divide the batch, or its pairs', () => {
    const mixed = { transform: { mixing: { mixupAlpha: 0.4, cutmixAlpha: 0 } } };
    for (const change of [{ connections: 3 }, { connections: 0 }, { connections: 8, ...mixed }]) {
      assert.throws(
        () => client.stream({ ...OPTIONS, ...change }),
        (error) => error instanceof UsageError && error.field === 'connections',
      );
    }
  });
});

async function startServerProcess(root: string): Promise<{ process: ChildProcess; address: string }> {
  let child: ChildProcess | undefined;
  const line = await new Promise<Record<string, unknown>>((resolve) => {
    child = startMillrace(['serve', '--root', root, '--port', '0'], resolve);
  });
  assert.equal(line['event'], 'listening', JSON.stringify(line));
  return { process: child!, address: String(line['address']) };
}
