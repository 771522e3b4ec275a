/** What one pool of threads and one memory are to many streams: shared, fair, bounded, and never in each other's way. */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials, status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { toBfloat16, toFloat16 } from '../../lib/core/half-float.js';
import { createLogger } from '../../lib/platform/logger.js';
import { archivesFolder, shardName, splitFolder } from '../../lib/platform/root-layout.js';
import { openLmdbFile } from '../../lib/shards/lmdb-file.js';
import {
  BatchServiceClient,
  StreamBatchesRequest,
  WireDtype,
  type BatchFrame,
  type DeepPartial,
} from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer, type BatchServerOptions } from '../../services/batch-server/server.js';
import { connect, type Batch, type Client, type StreamOptions } from '../../services/trainer/client/client.js';
import { prepareDataset } from '../../workers/prepare.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { makeTinyDataset } from '../fixtures/tiny-dataset.js';

const log = createLogger('test', 'silent');
const SHAPE = { height: 64, width: 64, channels: 3 };
const NUM_SAMPLES = 300;
const BATCH_SIZE = 50;
const NUM_STEPS = NUM_SAMPLES / BATCH_SIZE;
const STREAM = { dataset: 'fixture', split: 'train', batchSize: BATCH_SIZE, seed: 3 } as const;

describe('assembly', () => {
  const folder = temporaryFolder();
  const open: { destroy(): Promise<void> }[] = [];
  const clients: { close(): void }[] = [];
  before(() => makeSplit(folder.path, { ...STREAM, numSamples: NUM_SAMPLES, shape: SHAPE, shardSamples: 100 }));
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await Promise.all(open.splice(0).map((server) => server.destroy()));
  });

  async function startServer(options: Partial<BatchServerOptions> = {}): Promise<BatchServer> {
    const server = BatchServer.create({ root: folder.path, port: 0, metricsPort: 0, drainMs: 500, ...options }, log);
    open.push(server);
    await server.start();
    return server;
  }

  function clientOf(server: BatchServer): Client {
    const client = connect({ servers: [server.address], giveUpMs: 0 });
    clients.push(client);
    return client;
  }

  function stubOf(server: BatchServer): BatchServiceClient {
    const stub = new BatchServiceClient(server.address, credentials.createInsecure());
    clients.push(stub);
    return stub;
  }

  const request = (change: DeepPartial<StreamBatchesRequest>): StreamBatchesRequest =>
    StreamBatchesRequest.fromPartial({ dataset: 'fixture', split: 'train', globalBatchSize: BATCH_SIZE, ...change });

  async function metric(server: BatchServer, name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    return Number(new RegExp(`^millrace_serve_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async function collect(client: Client, options: Partial<StreamOptions> = {}): Promise<Batch[]> {
    const batches: Batch[] = [];
    for await (const batch of client.stream({ ...STREAM, epochs: 1, ...options })) batches.push(batch);
    return batches;
  }

  async function frames(call: ClientReadableStream<BatchFrame>): Promise<BatchFrame[]> {
    const all: BatchFrame[] = [];
    for await (const frame of call as AsyncIterable<BatchFrame>) all.push(frame);
    return all;
  }

  /** Resolves with the first frame; then the call is not read any more. */
  const firstFrame = (call: ClientReadableStream<BatchFrame>): Promise<BatchFrame> =>
    new Promise((resolve, reject) => {
      call.once('error', reject);
      call.once('data', (frame: BatchFrame) => {
        call.pause();
        resolve(frame);
      });
    });

  it('gives the same batches with one thread and with three, whatever is assembled ahead', async () => {
    const transform = { cropSize: 50, mirror: true } as const;
    const [one, three] = [
      await startServer({ numThreads: 1, prefetchBatches: 0 }),
      await startServer({ numThreads: 3, prefetchBatches: 5 }),
    ];
    const batches = await collect(clientOf(one), { epochs: 2, transform });
    assert.equal(batches.length, 2 * NUM_STEPS);
    assert.deepEqual(await collect(clientOf(three), { epochs: 2, transform }), batches);
  });

  it('sends float16 and bfloat16 that are its float32, rounded', async () => {
    const stub = stubOf(await startServer());
    const pixels = async (dtype: WireDtype): Promise<Buffer> => {
      const transform = { cropSize: 51, mirror: true, scale: 0.017, dtype };
      return Buffer.concat(
        (await frames(stub.streamBatches(request({ numEpochs: 1, transform })))).map((it) => it.pixels),
      );
    };
    const float32 = new Float32Array(new Uint8Array(await pixels(WireDtype.FLOAT32)).buffer);
    assert.equal(float32.length, NUM_SAMPLES * 51 * 51 * 3);
    const float16 = Buffer.from(Uint16Array.from(float32, toFloat16).buffer);
    assert.ok(float16.equals(await pixels(WireDtype.FLOAT16)));
    const bfloat16 = Buffer.from(Uint16Array.from(float32, toBfloat16).buffer);
    assert.ok(bfloat16.equals(await pixels(WireDtype.BFLOAT16)));
  });

  it('serves originals as it serves their raw pixels, and these and JPEGs alike with and without libturbojpeg', async () => {
    await mkdir(archivesFolder(folder.path), { recursive: true });
    const settings = await makeTinyDataset(folder.path);
    for (const record of ['raw', 'original', 'jpeg'] as const) {
      await prepareDataset({ ...settings, name: record, splits: ['val'], plan: { ...settings.plan, record } }, false);
    }
    const server = await startServer();
    const options = { split: 'val', batchSize: 4, transform: { cropSize: 12, mirror: true } } as const;
    const raw = await collect(clientOf(server), { ...options, dataset: 'raw' });
    assert.ok(raw.length > 0);
    assert.deepEqual(await collect(clientOf(server), { ...options, dataset: 'original' }), raw);
    const withSharp = await startServer({ turbojpeg: 'none' });
    assert.deepEqual(await collect(clientOf(withSharp), { ...options, dataset: 'original' }), raw);
    const [decoded, bySharp] = await Promise.all(
      [server, withSharp].map((it) => collect(clientOf(it), { ...options, dataset: 'jpeg' })),
    );
    assert.deepEqual(bySharp, decoded);
    assert.equal(decoded.length, raw.length);
  });

  for (const numClients of [1, 2, 4, 8]) {
    it(`assembles once what ${numClients} streams ask for`, async () => {
      const server = await startServer();
      const stub = stubOf(server);
      const calls = Array.from({ length: numClients }, () => stub.streamBatches(request({ numEpochs: 2 })));
      // All are open before any goes on: then what one has is there for the others.
      const firsts = await Promise.all(calls.map(firstFrame));
      const rests = await Promise.all(calls.map(frames));
      const streams = rests.map((rest, i) => [firsts[i], ...rest]);
      for (const stream of streams) assert.deepEqual(stream, streams[0]);
      const numFrames = 2 * NUM_STEPS;
      assert.equal(streams[0].length, numFrames);
      assert.equal(await metric(server, 'frame_assembly_seconds_count'), numFrames);
      assert.equal(await metric(server, 'frames_shared_total'), (numClients - 1) * numFrames);
    });
  }

  it('does not make a stream wait for a slow one beside it, and the slow one loses nothing', async () => {
    // Sixteen epochs are 59 MB, several times the memory.
    const server = await startServer({ memoryBytes: 16 << 20 });
    const options = { ...STREAM, epochs: 16, transform: { layout: 'NCHW', mean: 'none' } } as const;
    const slow = clientOf(server).stream(options);
    const ids = [...(await slow.next()).value!.ids];
    const fast: number[] = [];
    for await (const batch of clientOf(server).stream(options)) fast.push(...batch.ids);
    assert.equal(fast.length, 16 * NUM_SAMPLES);
    for await (const batch of slow) ids.push(...batch.ids);
    assert.deepEqual(ids, fast);
    assert.ok((await metric(server, 'frame_assembly_seconds_count')) > 16 * NUM_STEPS, 'some were assembled twice');
  });

  it('lets a client that stops reading hold its prefetch and no more', async () => {
    const server = await startServer({ prefetchBatches: 3 });
    const call = stubOf(server).streamBatches(request({}));
    call.on('error', () => undefined);
    await firstFrame(call);
    const frameBytes = BATCH_SIZE * 64 * 64 * 3;
    await until(async () => (await metric(server, 'memory_held_bytes')) > 3 * frameBytes);
    assert.equal((await collect(clientOf(server))).length, NUM_STEPS);
    // Three batches ahead, and those that are on the wire.
    assert.ok((await metric(server, 'memory_held_bytes')) < (3 + 5) * (frameBytes + 8_192));
    call.cancel();
    await until(async () => (await metric(server, 'memory_held_bytes')) === 0);
    assert.equal(await metric(server, 'streams_active'), 0);
  });

  it('goes on beside a thousand streams that nobody reads, and all that they held is free once they end', async () => {
    const server = await startServer({ memoryBytes: 64 << 20 });
    const stub = stubOf(server);
    const calls = Array.from({ length: 1_000 }, (_, i) => {
      const call = stub.streamBatches(request({ globalBatchSize: 1, seed: i, transform: { cropSize: 16 } }));
      call.on('error', () => undefined);
      return call;
    });
    await Promise.all(calls.map(firstFrame));
    assert.equal((await collect(clientOf(server))).length, NUM_STEPS);
    for (const call of calls) call.cancel();
    await until(async () => (await metric(server, 'streams_active')) === 0);
    assert.equal(await metric(server, 'memory_held_bytes'), 0);
  });

  it('refuses a stream that its memory cannot hold beside the others, and takes it once they are gone', async () => {
    const server = await startServer({ memoryBytes: 8 << 20 });
    const stub = stubOf(server);
    const calls: ClientReadableStream<BatchFrame>[] = [];
    const begin = async (): Promise<status> => {
      const call = stub.streamBatches(request({ globalBatchSize: 200, seed: calls.length }));
      calls.push(call);
      try {
        await firstFrame(call);
        return status.OK;
      } catch (error) {
        return (error as ServiceError).code;
      }
    };
    let outcome = await begin();
    while (outcome === status.OK) outcome = await begin();
    assert.equal(outcome, status.RESOURCE_EXHAUSTED);
    assert.ok(calls.length > 1);
    for (const call of calls) call.on('error', () => undefined).cancel();
    await until(async () => (await metric(server, 'streams_active')) === 0);
    assert.equal(await begin(), status.OK);
    calls
      .at(-1)
      ?.on('error', () => undefined)
      .cancel();
  });

  it('ends a stream that meets a damaged record with DATA_LOSS, and no other', async () => {
    const split = { ...STREAM, dataset: 'damaged', numSamples: 100, shape: SHAPE, shardSamples: 100 };
    await makeSplit(folder.path, split);
    const path = join(splitFolder(folder.path, 'damaged', 'train'), shardName(0), 'data.mdb');
    const file = openLmdbFile(path);
    const descriptor = openSync(path, 'r+');
    writeSync(descriptor, Buffer.alloc(8, 0xff), 0, 8, file.valueOffset(70));
    closeSync(descriptor);
    file.close();
    const server = await startServer();
    const [damaged, whole] = await Promise.allSettled([
      collect(clientOf(server), { dataset: 'damaged' }),
      collect(clientOf(server), { epochs: 4 }),
    ]);
    assert.ok(damaged.status === 'rejected');
    assert.match(String(damaged.reason), /a shard of this split is corrupt/);
    assert.ok(whole.status === 'fulfilled');
    assert.equal(whole.value.length, 4 * NUM_STEPS);
  });
});
