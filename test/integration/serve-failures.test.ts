import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../lib/core/errors.js';
import { shardName, splitFolder } from '../../lib/platform/root-layout.js';
import { connect, type Batch } from '../../services/trainer/client/client.js';
import { collectBatches, startBatchServer } from '../fixtures/batch-server.js';
import { servedSplits } from '../fixtures/served-splits.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const SHAPE = { height: 12, width: 10, channels: 3 };

describe('a corrupt shard', () => {
  const fixture = { dataset: 'fixture', split: 'train', numSamples: 37, shape: SHAPE, shardSamples: 10 };
  const served = servedSplits(fixture);
  const options = { dataset: 'fixture', split: 'train', batchSize: 5, seed: 11, epochs: 2 } as const;

  it('ends the stream that meets it, without telling paths, and no other', async () => {
    await makeSplit(served.root, { ...fixture, dataset: 'broken', numSamples: 20 });
    const shard = join(splitFolder(served.root, 'broken', 'train'), shardName(1));
    const file = await open(join(shard, 'data.mdb'), 'r+');
    await file.truncate(100);
    await file.close();
    const single = connect({ servers: [served.server.address], giveUpMs: 0 });
    await assert.rejects(
      collectBatches(single, { dataset: 'broken', split: 'train', batchSize: 10, epochs: 1, shuffle: 'none' }),
      (error: unknown) =>
        error instanceof MillraceError && /corrupt/.test(error.message) && !error.message.includes(served.root),
    );
    single.close();
    assert.equal((await collectBatches(served.client, options)).length, 14);
  });
});

describe('a stream over two servers', () => {
  const folder = temporaryFolder();

  it('goes on at the other one when its server is gone, and no batch is lost or comes twice', async () => {
    await makeSplit(folder.path, {
      dataset: 'fixture',
      split: 'train',
      numSamples: 200,
      shape: SHAPE,
      shardSamples: 50,
    });
    const [first, second] = [await startBatchServer(folder.path), await startBatchServer(folder.path)];
    const options = {
      dataset: 'fixture',
      split: 'train',
      batchSize: 4,
      seed: 5,
      epochs: 2,
      transform: { cropSize: 7, mirror: true },
    } as const;
    const undisturbed = connect({ servers: [second.address] });
    const expected = await collectBatches(undisturbed, options);
    undisturbed.close();

    const reconnects: string[] = [];
    const client = connect({
      servers: [first.address, second.address],
      backoff: { baseMs: 1, maxMs: 5 },
      onReconnect: ({ server }) => reconnects.push(server),
    });
    const got: Batch[] = [];
    // Read ahead, the end would be here before the server is gone.
    for await (const batch of client.stream({ ...options, prefetchBytes: 0 })) {
      got.push(batch);
      if (got.length === 30) await first.destroy();
    }
    client.close();
    await second.destroy();
    assert.deepEqual(got, expected);
    assert.deepEqual(new Set(reconnects), new Set([first.address]));
  });

  it('fails with the servers named when none answers', async () => {
    const client = connect({
      servers: ['127.0.0.1:1', '127.0.0.1:2'],
      giveUpMs: 50,
      backoff: { baseMs: 5, maxMs: 10 },
    });
    await assert.rejects(
      collectBatches(client, { dataset: 'x', split: 'y', batchSize: 1 }),
      /no server of 127.0.0.1:1, 127.0.0.1:2 answered/,
    );
    client.close();
  });
});
