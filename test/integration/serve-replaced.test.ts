/** Datasets of more shards than may be open, and others put in their place while they are streamed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentials, status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { createLogger } from '../../lib/platform/logger.js';
import { shardName, splitFolder } from '../../lib/platform/root-layout.js';
import {
  BatchServiceClient,
  Layout,
  MeanMode,
  StreamBatchesRequest,
  type BatchFrame,
} from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { metricOf } from '../fixtures/batch-server.js';
import { fixturePixels, makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const SHAPE = { height: 64, width: 64, channels: 3 };
const NUM_SAMPLES = 24;
const FIXTURE = { dataset: 'fixture', split: 'train', numSamples: NUM_SAMPLES, shape: SHAPE, shardSamples: 2 };
/** More than all that a server can have sent ahead: what comes after them was read from disk later. */
const BATCHES_AHEAD = 1500;

describe('a split of more shards than a server may open', () => {
  const folder = temporaryFolder();
  const closers: (() => unknown)[] = [];
  /** What streams ended with. */
  const errors: ServiceError[] = [];
  let server: BatchServer;
  let split: string;

  beforeEach(async () => {
    errors.length = 0;
    split = splitFolder(folder.path, 'fixture', 'train');
    rmSync(split, { recursive: true, force: true });
    await makeSplit(folder.path, FIXTURE);
    server = BatchServer.create(
      { root: folder.path, port: 0, metricsPort: 0, drainMs: 0, maxOpenShards: 2 },
      createLogger('test', 'silent'),
    );
    await server.start();
    closers.unshift(() => server.destroy());
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  function stream(numEpochs = 0): ClientReadableStream<BatchFrame> {
    const stub = new BatchServiceClient(server.address, credentials.createInsecure());
    const transform = { mean: MeanMode.NONE, layout: Layout.NCHW };
    const call = stub.streamBatches(
      StreamBatchesRequest.fromPartial({
        dataset: 'fixture',
        split: 'train',
        globalBatchSize: 1,
        numEpochs,
        transform,
      }),
    );
    call.on('error', (error) => errors.push(error as ServiceError));
    closers.unshift(() => {
      call.cancel();
      stub.close();
    });
    return call;
  }
  const pixelsOf = (salt: number): Buffer[] =>
    Array.from({ length: NUM_SAMPLES }, (_, id) => Buffer.from(fixturePixels(SHAPE, id, salt)));
  /** Reads frames, each of which must be of the version with these pixels; returns how many came. */
  async function read(call: AsyncIterable<BatchFrame>, pixels: readonly Buffer[], max = Infinity): Promise<number> {
    let numRead = 0;
    for await (const { ids, pixels: got } of call) {
      assert.ok(pixels[ids[0]].equals(got), `sample ${ids[0]}`);
      if (++numRead === max) break;
    }
    return numRead;
  }
  /** The same, but the call goes on. */
  function readSome(call: ClientReadableStream<BatchFrame>, pixels: readonly Buffer[], max: number): Promise<number> {
    const iterator = call.iterator({ destroyOnReturn: false });
    return read(iterator as AsyncIterable<BatchFrame>, pixels, max);
  }

  /** To the error that it ends with, which an iterator that comes later does not see. */
  async function readToEnd(call: ClientReadableStream<BatchFrame>, pixels: readonly Buffer[]): Promise<void> {
    await read(call, pixels).catch((error: unknown) => assert.equal(error, errors[0]));
    assert.equal(errors.length, 1);
  }

  it('is served rightly to several trainers at once', async () => {
    const pixels = pixelsOf(0);
    const numRead = await Promise.all([3, 4, 5].map((numEpochs) => read(stream(numEpochs), pixels)));
    assert.deepEqual(
      numRead,
      [3, 4, 5].map((numEpochs) => numEpochs * NUM_SAMPLES),
    );
  });

  it('is streamed to the end when its folder was moved, while new streams are of the one in its place', async function () {
    if (process.platform !== 'linux') this.skip();
    const old = stream();
    const pixels = pixelsOf(0);
    await readSome(old, pixels, 1);
    renameSync(split, join(folder.path, 'fixture-old'));
    await makeSplit(folder.path, { ...FIXTURE, salt: 99 });
    assert.equal(await read(stream(1), pixelsOf(99)), NUM_SAMPLES);
    assert.equal(await read(old, pixels, BATCHES_AHEAD), BATCHES_AHEAD);
    rmSync(join(folder.path, 'fixture-old'), { recursive: true });
  });

  it('ends the stream with a clear status when it was removed for another version', async () => {
    const old = stream();
    const pixels = pixelsOf(0);
    await readSome(old, pixels, 1);
    rmSync(split, { recursive: true });
    await makeSplit(folder.path, { ...FIXTURE, salt: 99 });
    await readToEnd(old, pixels);
    assert.equal(errors[0].code, status.FAILED_PRECONDITION, errors[0].message);
    assert.match(errors[0].details, /^version \w+ of fixture\/train is not in its place any more.*start anew/);
    assert.equal(await read(stream(1), pixelsOf(99)), NUM_SAMPLES);
    assert.equal(await metricOf(server, 'millrace_serve_replaced_splits_total{dataset="fixture",split="train"}'), 1);
  });

  it('ends the stream with an alarm when it is written over shard by shard, and never mixes versions', async () => {
    const old = stream();
    const pixels = pixelsOf(0);
    await readSome(old, pixels, 1);
    await makeSplit(folder.path, { ...FIXTURE, salt: 99 });
    await readToEnd(old, pixels);
    // Before the new manifest is there, a shard that is another one is a damaged one.
    const alarm = errors[0].code === status.DATA_LOSS ? 'corrupt_records' : 'replaced_splits';
    assert.equal(await metricOf(server, `millrace_serve_${alarm}_total{dataset="fixture",split="train"}`), 1);
    assert.equal(await read(stream(1), pixelsOf(99)), NUM_SAMPLES);
  });

  it('is refused when a shard was replaced since the server started, though nobody had opened the split', async () => {
    await makeSplit(folder.path, { ...FIXTURE, dataset: 'salted', salt: 99 });
    const salted = join(splitFolder(folder.path, 'salted', 'train'), shardName(3), 'data.mdb');
    copyFileSync(salted, join(split, shardName(3), 'data.mdb'));
    const [error] = (await once(stream(1).resume(), 'error')) as [ServiceError];
    assert.equal(error.code, status.DATA_LOSS, error.message);
  });

  it('is refused while a shard is another file with other content, and served again when the content is back', async () => {
    const pixels = pixelsOf(0);
    const shard = join(split, shardName(11), 'data.mdb');
    const content = readFileSync(shard);
    const elsewhere = { ...FIXTURE, dataset: 'salted', salt: 99 };
    await makeSplit(folder.path, elsewhere);
    const old = stream();
    await readSome(old, pixels, 1);
    renameSync(join(splitFolder(folder.path, 'salted', 'train'), shardName(11), 'data.mdb'), shard);
    await readToEnd(old, pixels);
    assert.equal(errors[0].code, status.DATA_LOSS, errors[0].message);
    for (let tries = 0; tries < 2; tries++) {
      const [error] = (await once(stream(1).resume(), 'error')) as [ServiceError];
      assert.equal(error.code, status.DATA_LOSS, error.message);
    }
    writeFileSync(shard, content);
    assert.equal(await read(stream(1), pixels), NUM_SAMPLES);
    assert.equal(await metricOf(server, 'millrace_serve_corrupt_records_total{dataset="fixture",split="train"}'), 3);
  });
});
