import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { InterruptedError, MillraceError, UsageError } from '../../lib/core/errors.js';
import { connect, type Batch, type StreamOptions, type StreamState } from '../../services/trainer/client/client.js';
import { startBatchServer } from '../fixtures/batch-server.js';
import { servedSplits } from '../fixtures/served-splits.js';

const SPLIT = {
  dataset: 'fixture',
  split: 'train',
  numSamples: 200,
  shape: { height: 12, width: 10, channels: 3 },
  shardSamples: 50,
};
const OPTIONS = { dataset: 'fixture', split: 'train', batchSize: 4, seed: 11, epochs: 2 } as const;

/** Threads, sockets and timers that keep this process alive, mocha's own timers apart. */
function numHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => /MessagePort|Worker|TCP/.test(name)).length;
}

for (const prefetchBytes of [0, 1, 64 << 20]) {
  describe(`a stream of a client that reads ${prefetchBytes} bytes ahead`, () => {
    const options = { ...OPTIONS, prefetchBytes };
    const served = servedSplits(SPLIT);
    let expected: Batch[];

    before(async () => {
      expected = [];
      for await (const batch of served.client.stream({ ...OPTIONS, prefetchBytes: 0 })) expected.push(batch);
      assert.equal(expected.length, 100);
    });

    it('gives the same batches, and the reader owns their memory', async () => {
      const got: Batch[] = [];
      for await (const batch of served.client.stream(options)) got.push(batch);
      assert.deepEqual(got, expected);
      assert.equal(new Set(got.map(({ images }) => images.buffer)).size, got.length);
    });

    it('goes on from its state, which is plain JSON, where its reader stopped', async () => {
      for (const numRead of [1, 49, 50, 51]) {
        const stream = served.client.stream(options);
        for (let i = 0; i < numRead; i++) assert.deepEqual((await stream.next()).value, expected[i]);
        await stream.return();
        const resumeFrom = JSON.parse(JSON.stringify(stream.state())) as StreamState;
        const rest: Batch[] = [];
        for await (const batch of served.client.stream({ ...options, resumeFrom })) rest.push(batch);
        assert.deepEqual(rest, expected.slice(numRead));
      }
    });

    it('names the option that is none of those that there are', async () => {
      for (const [field, wrong] of [
        ['shuffle', { shuffle: 'twice' as never }],
        ['transform.dtype', { transform: { dtype: 'int8' as never } }],
      ] as const) {
        await assert.rejects(served.client.stream({ ...options, ...wrong }).next(), { name: 'UsageError', field });
      }
    });

    it('does not go on from the state of another sequence, or of other data', async () => {
      const stream = served.client.stream(options);
      await stream.next();
      await stream.return();
      const state = stream.state();
      assert.throws(() => served.client.stream({ ...options, seed: 12, resumeFrom: state }), UsageError);
      assert.throws(() => served.client.stream({ ...options, batchSize: 8, resumeFrom: state }), UsageError);
      await assert.rejects(
        served.client.stream({ ...options, resumeFrom: { ...state, version: 'f'.repeat(32) } }).next(),
        (error: unknown) => error instanceof MillraceError && error.code === 'ERR_VERSION_CHANGED',
      );
    });

    it('knows how many batches came and how long its reader waited', async () => {
      const stream = served.client.stream(options);
      const times = { firstWaitMs: 0, waitMs: 0, elapsedMs: 0 };
      assert.deepEqual(stream.metrics(), { numBatches: 0, numSamples: 0, numReconnects: 0, ...times });
      for (let i = 0; i < 10; i++) await stream.next();
      const { numBatches, numSamples, firstWaitMs, waitMs, elapsedMs } = stream.metrics();
      assert.ok(firstWaitMs > 0);
      assert.deepEqual([numBatches, numSamples], [10, 40]);
      assert.ok(waitMs >= 0 && waitMs <= elapsedMs, `${waitMs} of ${elapsedMs} ms`);
      await stream.return();
    });

    it('ends at once when the client is closed or its signal is aborted, also while the reader waits', async () => {
      const other = connect({ servers: [served.server.address] });
      const controller = new AbortController();
      const endless = { ...options, epochs: undefined };
      const aborted = other.stream({ ...endless, signal: controller.signal });
      const closed = other.stream(endless);
      await Promise.all([aborted.next(), closed.next()]);
      controller.abort();
      await assert.rejects(readOn(aborted), InterruptedError);
      const ending = assert.rejects(readOn(closed), (error: unknown) => {
        return error instanceof InterruptedError && /client was closed/.test(error.message);
      });
      other.close();
      await ending;
    });

    it('ends at once when its signal was aborted before, or is while no server answers', async () => {
      await assert.rejects(served.client.stream({ ...options, signal: AbortSignal.abort() }).next(), InterruptedError);
      const mute = createServer((socket) => socket.unref()).listen(0, '127.0.0.1');
      await once(mute, 'listening');
      for (const address of ['127.0.0.1:1', `127.0.0.1:${(mute.address() as AddressInfo).port}`]) {
        const other = connect({ servers: [address] });
        const controller = new AbortController();
        const ending = assert.rejects(other.stream({ ...options, signal: controller.signal }).next(), InterruptedError);
        setImmediate(() => controller.abort());
        await ending;
        other.close();
      }
      mute.close();
    });

    it('goes on at the next server when one takes the connection and says nothing', async () => {
      const mute = createServer((socket) => socket.unref()).listen(0, '127.0.0.1');
      await once(mute, 'listening');
      const address = `127.0.0.1:${(mute.address() as AddressInfo).port}`;
      const other = connect({ servers: [address, served.server.address], answerTimeoutMs: 300 });
      const got: Batch[] = [];
      for await (const batch of other.stream(options)) got.push(batch);
      assert.deepEqual(got, expected);
      other.close();
      mute.close();
    });

    it('ends with its epochs where the last ones have no step, or no step is left', async () => {
      const wrapped = { ...options, batchSize: 500, endOfEpoch: 'wrap', transform: { cropSize: 2 } } as const;
      const stream = served.client.stream(wrapped);
      for await (const batch of stream) assert.deepEqual([batch.epoch, batch.step, batch.isLastStep], [0, 0, true]);
      await readOn(served.client.stream({ ...options, from: { epoch: 1, step: 50 }, epochs: 1 }));
      assert.deepEqual([stream.metrics().numBatches, stream.state().epoch], [1, 1]);
    });

    it('tells what is wrong as the server said it', async () => {
      await assert.rejects(
        served.client.stream({ ...options, dataset: 'absent' }).next(),
        (error: unknown) => error instanceof MillraceError && error.code === 'ERR_NOT_FOUND',
      );
      await assert.rejects(
        served.client.stream({ ...options, transform: { cropSize: 99 } }).next(),
        (error: unknown) => error instanceof UsageError && /crop/.test(error.field),
      );
    });

    it('goes on with the next step when a server goes away', async () => {
      const [first, second] = [await startBatchServer(served.root), await startBatchServer(served.root)];
      const other = connect({ servers: [first.address, second.address], backoff: { baseMs: 1, maxMs: 5 } });
      const stream = other.stream({ ...options, epochs: undefined });
      let numRead = 0;
      for await (const { epoch, step } of stream) {
        assert.deepEqual({ epoch, step }, { epoch: Math.floor(numRead / 50), step: numRead % 50 });
        if (++numRead === 30) await first.destroy();
        if (stream.metrics().numReconnects > 0 && numRead > 60) break;
      }
      other.close();
      await second.destroy();
    });

    it('leaves nothing open when its reader stops', async () => {
      const before = numHandles();
      const other = connect({ servers: [served.server.address] });
      for await (const batch of other.stream({ ...options, epochs: undefined })) {
        if (batch.step === 3) break;
      }
      other.close();
      while (numHandles() > before) await new Promise((resolve) => setTimeout(resolve, 10));
    });
  });
}

describe('a client', () => {
  it('sends its token over TLS or to this machine, and nowhere else', () => {
    assert.throws(
      () => connect({ servers: ['127.0.0.1:1', 'feeder:50051'], token: 'secret' }),
      (error: unknown) => error instanceof UsageError && error.field === 'token' && !error.message.includes('secret'),
    );
    connect({ servers: ['127.0.0.1:1', 'localhost:2', '[::1]:3'], token: 'secret' }).close();
    connect({ servers: ['feeder:1'], token: 'secret', tls: { rootCertificates: Buffer.from('') } }).close();
  });

  for (const server of ['', 'feeder', 'http://feeder:50051']) {
    it(`refuses "${server}" as a server`, () => {
      assert.throws(() => connect({ servers: [server] }), { name: 'UsageError', field: 'servers' });
    });
  }

  const numbers: Record<string, Partial<StreamOptions>> = {
    batchSize: { batchSize: 2 ** 32 },
    epochs: { epochs: 2 ** 32 },
    'from.epoch': { from: { epoch: 2 ** 32, step: 0 } },
    'resumeFrom.step': { resumeFrom: { epoch: 0, step: -1, seed: 11, globalBatchSize: 4 } },
    'transform.cropSize': { transform: { cropSize: 1.5 } },
    'blocks.windowBlocks': { blocks: { blockSamples: 1, windowBlocks: -1 } },
    'selection.ids': { selection: { ids: [0, -1] } },
    'selection.classes': { selection: { classes: [0.5] } },
    'selection.classWeights': { selection: { classes: [1], classWeights: [NaN] } },
    'mixWith[0].weight': { weight: 1, mixWith: [{ dataset: 'fixture', split: 'train', weight: 1.5 }] },
  };
  for (const [field, wrong] of Object.entries(numbers)) {
    it(`refuses a number that no request can hold as ${field}`, () => {
      const client = connect({ servers: ['127.0.0.1:1'] });
      assert.throws(() => client.stream({ ...OPTIONS, ...wrong }), { name: 'UsageError', field });
      client.close();
    });
  }
});

async function readOn(stream: AsyncIterable<Batch>): Promise<void> {
  for await (const batch of stream) assert.ok(batch.ids.length > 0);
}
