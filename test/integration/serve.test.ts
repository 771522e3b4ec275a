import assert from 'node:assert/strict';
import { join } from 'node:path';
import { open, rm } from 'node:fs/promises';
import { credentials, loadPackageDefinition, status, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createBatchPlanner, type EndOfEpoch } from '../../lib/core/batch-plan.js';
import { InterruptedError, MillraceError } from '../../lib/core/errors.js';
import { completeTransform } from '../../lib/core/presets.js';
import { allSamples } from '../../lib/core/selection.js';
import { croppedShape, windowOf, type Transform } from '../../lib/core/transform.js';
import { createLogger } from '../../lib/platform/logger.js';
import { packageRoot } from '../../lib/platform/package-root.js';
import { shardName, splitFolder } from '../../lib/platform/root-layout.js';
import { BatchServiceClient, type BatchFrame, StreamBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { connect, type Batch, type Client, type StreamOptions } from '../../services/trainer/client/client.js';
import { fixtureLabel, fixturePixels, makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const SHAPE = { height: 12, width: 10, channels: 3 };
const NUM_SAMPLES = 37;
const log = createLogger('test', 'silent');

async function startServer(root: string): Promise<BatchServer> {
  const server = BatchServer.create({ root, port: 0, metricsPort: 0, drainMs: 500 }, log);
  await server.start();
  return server;
}

async function collect(client: Client, options: StreamOptions, max = Infinity): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of client.stream(options)) {
    batches.push(batch);
    if (batches.length >= max) break;
  }
  return batches;
}

/** What a batch must hold, worked out one pixel at a time from the fixture's own pixels. */
function expectedImage(
  transform: Transform,
  seed: number,
  epoch: number,
  id: number,
  mean: Float32Array,
): Float32Array {
  const window = windowOf(transform, SHAPE, seed, epoch, id);
  const { height, width, channels } = croppedShape(SHAPE, transform);
  const pixels = fixturePixels(SHAPE, id);
  const out = new Float32Array(height * width * channels);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const source = (c * SHAPE.height + window.y + y) * SHAPE.width + window.x + x;
        const column = window.isMirrored ? width - 1 - x : x;
        const channel = transform.channelOrder === 'BGR' ? c : channels - 1 - c;
        const at =
          transform.layout === 'NHWC'
            ? (y * width + column) * channels + channel
            : (channel * height + y) * width + column;
        out[at] = Math.fround(pixels[source] - mean[source]) * transform.scale;
      }
    }
  }
  return out;
}

describe('a batch server', () => {
  const folder = temporaryFolder();
  let server: BatchServer;
  let client: Client;
  const options = { dataset: 'fixture', split: 'train', batchSize: 5, seed: 11, epochs: 2 } as const;

  before(async () => {
    await makeSplit(folder.path, {
      dataset: 'fixture',
      split: 'train',
      numSamples: NUM_SAMPLES,
      shape: SHAPE,
      shardSamples: 10,
    });
    server = await startServer(folder.path);
    client = connect({ servers: [server.address] });
  });
  after(async () => {
    client.close();
    await server.destroy();
  });

  it('tells the facts of a split', async () => {
    const info = await client.dataset('fixture', 'train');
    assert.equal(info.numSamples, NUM_SAMPLES);
    assert.deepEqual(info.shape, SHAPE);
    assert.equal(info.classes[3].name, 'class 3');
    assert.equal(info.mean.image.length, 360);
    assert.deepEqual(info.preparation, { resize: 'caffe', fit: 'exact' });
    assert.match(info.version, /^[0-9a-f]{32}$/);
  });

  it('streams the batches that the law of the order names, labels with them', async () => {
    const planner = createBatchPlanner({
      selection: allSamples(NUM_SAMPLES),
      seed: 11,
      shuffle: 'full',
      endOfEpoch: 'drop',
      globalBatchSize: 5,
    });
    const batches = await collect(client, options);
    assert.equal(batches.length, 14);
    batches.forEach((batch, i) => {
      const address = { epoch: Math.floor(i / 7), step: i % 7 };
      const plan = planner.plan(address, { rank: 0, worldSize: 1 });
      assert.deepEqual({ epoch: batch.epoch, step: batch.step }, address);
      assert.deepEqual(batch.ids, plan.ids);
      assert.deepEqual([...batch.labels], [...plan.ids].map(fixtureLabel));
      assert.equal(batch.isLastStep, i % 7 === 6);
    });
  });

  for (const layout of ['NHWC', 'NCHW'] as const) {
    for (const channelOrder of ['BGR', 'RGB'] as const) {
      it(`crops, mirrors and subtracts the mean exactly, ${layout} ${channelOrder}, on either side of the wire`, async () => {
        const { image: mean } = (await client.dataset('fixture', 'train')).mean;
        for (const dtype of ['uint8', 'float32'] as const) {
          const transform = completeTransform({ cropSize: 7, mirror: true, scale: 0.1, dtype, layout, channelOrder });
          // A scale is a float32.
          const asSent = { ...transform, scale: Math.fround(0.1) };
          const [batch] = await collect(client, { ...options, transform }, 1);
          assert.deepEqual(batch.shape, layout === 'NHWC' ? [5, 7, 7, 3] : [5, 3, 7, 7]);
          batch.ids.forEach((id, i) => {
            const got = batch.images.subarray(i * 147, (i + 1) * 147);
            assert.deepEqual(got, expectedImage(asSent, 11, 0, id, mean));
          });
        }
      });
    }
  }

  it('subtracts a mean per channel, or none', async () => {
    const { channels } = (await client.dataset('fixture', 'train')).mean;
    const transform = { layout: 'NCHW', cropMode: 'center' } as const;
    const [plain] = await collect(client, { ...options, transform: { ...transform, mean: 'none' } }, 1);
    const [byChannel] = await collect(client, { ...options, transform: { ...transform, mean: 'channel' } }, 1);
    assert.deepEqual([...plain.images.subarray(0, 360)], [...fixturePixels(SHAPE, plain.ids[0])]);
    byChannel.images.forEach((value, i) => {
      const channel = Math.floor(i / 120) % 3;
      assert.equal(value, Math.fround(plain.images[i] - Math.fround(channels[channel])));
    });
  });

  it('gives each rank its part, and the parts are the global batch', async () => {
    const whole = await collect(client, { ...options, batchSize: 6, epochs: 1 });
    const parts = await Promise.all(
      [0, 1, 2].map((rank) => collect(client, { ...options, batchSize: 2, rank, worldSize: 3, epochs: 1 })),
    );
    whole.forEach((batch, step) => {
      assert.deepEqual(
        parts.flatMap((part) => [...part[step].ids]),
        [...batch.ids],
      );
    });
  });

  for (const [endOfEpoch, numSteps, numValid] of [
    ['drop', 7, 35],
    ['pad', 8, 37],
    ['wrap', 8, 40],
  ] as [EndOfEpoch, number, number][]) {
    it(`ends an epoch with ${endOfEpoch} as it says`, async () => {
      const batches = await collect(client, { ...options, endOfEpoch, epochs: 1 });
      const valid = batches.flatMap((batch) => [...batch.ids].filter((_, i) => batch.isValid[i] === 1));
      assert.equal(batches.length, numSteps);
      assert.equal(valid.length, numValid);
      assert.equal(new Set(valid.slice(0, NUM_SAMPLES)).size, Math.min(numValid, NUM_SAMPLES));
    });
  }

  it('resumes at any step with the batches that would have come', async () => {
    const transform = { cropSize: 7, mirror: true } as const;
    const all = await collect(client, { ...options, transform });
    for (let i = 0; i < all.length; i++) {
      const from = { epoch: all[i].epoch, step: all[i].step };
      const rest = await collect(client, { ...options, transform, from, epochs: 2 - from.epoch });
      assert.deepEqual(rest, all.slice(i));
    }
    assert.deepEqual(
      await collect(client, { ...options, transform, from: { epoch: 0, step: 7 }, epochs: 2 }),
      all.slice(7),
    );
  });

  it('sends a batch that is larger than a frame as several frames', async () => {
    const shape = { height: 256, width: 256, channels: 3 };
    await makeSplit(folder.path, { dataset: 'large', split: 'train', numSamples: 14, shape, shardSamples: 14 });
    const [batch] = await collect(
      client,
      { dataset: 'large', split: 'train', batchSize: 14, transform: { mean: 'none', layout: 'NCHW' } },
      1,
    );
    batch.ids.forEach((id, i) => {
      const got = Uint8Array.from(batch.images.subarray(i * 196_608, (i + 1) * 196_608));
      assert.ok(Buffer.from(got.buffer).equals(fixturePixels(shape, id)), `sample ${id}`);
    });
  });

  it('is served to a plain grpc-js client that has nothing but the proto file', async () => {
    const definition = loadSync('millrace/v1/batch.proto', { includeDirs: [join(packageRoot(), 'protos')] });
    const { millrace } = loadPackageDefinition(definition) as unknown as {
      millrace: { v1: { BatchService: typeof BatchServiceClient } };
    };
    const plain = new millrace.v1.BatchService(server.address, credentials.createInsecure());
    let numSamples = 0;
    const call = plain.streamBatches({
      dataset: 'fixture',
      split: 'train',
      globalBatchSize: 5,
      numEpochs: 1,
    } as StreamBatchesRequest);
    for await (const frame of call as AsyncIterable<BatchFrame>) {
      numSamples += frame.ids.length;
      assert.equal(frame.pixels.length, frame.ids.length * 360);
    }
    plain.close();
    assert.equal(numSamples, 35);
  });

  it('answers health checks and lists itself by reflection', async () => {
    const reflection = loadSync('grpc/reflection/v1/reflection.proto', {
      includeDirs: [join(packageRoot(), 'node_modules/@grpc/reflection/build/proto')],
    });
    const loaded = loadPackageDefinition(reflection) as unknown as {
      grpc: { reflection: { v1: { ServerReflection: new (...args: unknown[]) => ReflectionClient } } };
    };
    const asking = new loaded.grpc.reflection.v1.ServerReflection(server.address, credentials.createInsecure());
    const call = asking.ServerReflectionInfo();
    call.write({ listServices: '' });
    const answer = await new Promise<{ listServicesResponse: { service: { name: string }[] } }>((resolve, reject) => {
      call.once('data', resolve).once('error', reject);
    });
    call.end();
    asking.close();
    const names = answer.listServicesResponse.service.map((service) => service.name);
    assert.ok(names.includes('millrace.v1.BatchService') && names.includes('grpc.health.v1.Health'), names.join());
  });

  it('shows what it has sent in its metrics', async () => {
    const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    const sent = /^millrace_serve_batches_sent_total (\d+)$/m.exec(text)?.[1];
    assert.ok(Number(sent) > 0, text);
  });

  describe('refuses', () => {
    const request = (change: Parameters<typeof StreamBatchesRequest.fromPartial>[0]): Promise<ServiceError> => {
      const stub = new BatchServiceClient(server.address, credentials.createInsecure());
      const call = stub.streamBatches(
        StreamBatchesRequest.fromPartial({ dataset: 'fixture', split: 'train', globalBatchSize: 5, ...change }),
      );
      return new Promise((resolve, reject) => {
        call.on('error', (error) => {
          stub.close();
          resolve(error as ServiceError);
        });
        call.on('data', () => reject(new Error('a frame came')));
        call.on('end', () => reject(new Error('the stream ended well')));
      });
    };
    const cases: [string, Parameters<typeof StreamBatchesRequest.fromPartial>[0], status, RegExp][] = [
      [
        'a dataset that it does not have',
        { dataset: 'nope' },
        status.NOT_FOUND,
        /no split "train" of a dataset "nope"/,
      ],
      ['a dataset name that is a path', { dataset: '../fixture' }, status.NOT_FOUND, /no split/],
      [
        'an empty batch',
        { globalBatchSize: 0 },
        status.INVALID_ARGUMENT,
        /global_batch_size: expected a number of \[1, /,
      ],
      ['a huge batch', { globalBatchSize: 2 ** 31 }, status.INVALID_ARGUMENT, /global_batch_size/],
      [
        'a batch larger than the split, with drop',
        { globalBatchSize: 38 },
        status.INVALID_ARGUMENT,
        /at most the 37 samples/,
      ],
      [
        'a world that does not divide the batch',
        { worldSize: 3 },
        status.INVALID_ARGUMENT,
        /world_size: expected a divisor/,
      ],
      ['a rank outside its world', { rank: 1 }, status.INVALID_ARGUMENT, /rank: expected below world_size 1, got 1/],
      ['a step past the end', { step: 8 }, status.OUT_OF_RANGE, /step: expected at most 7/],
      ['another version', { version: 'f00' }, status.FAILED_PRECONDITION, /version: the stream began on f00/],
      ['a crop larger than the image', { transform: { cropSize: 11 } }, status.INVALID_ARGUMENT, /transform.crop_size/],
      ['a scale that is no number', { transform: { scale: NaN } }, status.INVALID_ARGUMENT, /transform.scale/],
    ];
    for (const [what, change, code, message] of cases) {
      it(what, async () => {
        const error = await request(change);
        assert.equal(error.code, code, error.message);
        assert.match(error.details, message);
      });
    }
  });

  it('frees everything of a client that goes away in the middle', async () => {
    const other = connect({ servers: [server.address] });
    for await (const batch of other.stream({ ...options, epochs: undefined })) {
      if (batch.step === 3) break;
    }
    other.close();
    while ((await streamsActive(server)) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  it('ends a stream when the caller aborts', async () => {
    const controller = new AbortController();
    await assert.rejects(async () => {
      for await (const batch of client.stream({ ...options, epochs: undefined, signal: controller.signal })) {
        if (batch.step === 2) controller.abort();
      }
    }, InterruptedError);
  });

  it('goes on with a new version for new streams while one on the old version ends', async () => {
    const fixture = { dataset: 'changing', split: 'train', numSamples: 12, shape: SHAPE, shardSamples: 12 };
    await makeSplit(folder.path, fixture);
    const wanted = {
      dataset: 'changing',
      split: 'train',
      batchSize: 1,
      epochs: 1,
      shuffle: 'none',
      transform: { mean: 'none', layout: 'NCHW' },
      prefetchBytes: 0,
    } as const;
    const images: Float32Array[] = [];
    for await (const batch of client.stream(wanted)) {
      if (images.length === 0) await makeSplit(folder.path, { ...fixture, salt: 99 });
      images.push(batch.images);
    }
    images.forEach((image, id) => assert.deepEqual([...image], [...fixturePixels(SHAPE, id)]));
    const [first] = await collect(client, wanted, 1);
    assert.deepEqual([...first.images], [...fixturePixels(SHAPE, 0, 99)]);
  });

  it('ends only the stream that meets a corrupt shard, without telling paths', async () => {
    await makeSplit(folder.path, { dataset: 'broken', split: 'train', numSamples: 20, shape: SHAPE, shardSamples: 10 });
    const shard = join(splitFolder(folder.path, 'broken', 'train'), shardName(1));
    const file = await open(join(shard, 'data.mdb'), 'r+');
    await file.truncate(100);
    await file.close();
    const single = connect({ servers: [server.address], giveUpMs: 0 });
    await assert.rejects(
      collect(single, { dataset: 'broken', split: 'train', batchSize: 10, epochs: 1, shuffle: 'none' }),
      (error: unknown) =>
        error instanceof MillraceError && /corrupt/.test(error.message) && !error.message.includes(folder.path),
    );
    single.close();
    assert.equal((await collect(client, options)).length, 14);
    await rm(shard, { recursive: true });
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
    const [first, second] = [await startServer(folder.path), await startServer(folder.path)];
    const options = {
      dataset: 'fixture',
      split: 'train',
      batchSize: 4,
      seed: 5,
      epochs: 2,
      transform: { cropSize: 7, mirror: true },
    } as const;
    const undisturbed = connect({ servers: [second.address] });
    const expected = await collect(undisturbed, options);
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
      collect(client, { dataset: 'x', split: 'y', batchSize: 1 }),
      /no server of 127.0.0.1:1, 127.0.0.1:2 answered/,
    );
    client.close();
  });
});

interface ReflectionClient {
  ServerReflectionInfo(): NodeJS.EventEmitter & { write(request: unknown): void; end(): void };
  close(): void;
}

async function streamsActive(server: BatchServer): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
  return Number(/^millrace_serve_streams_active (\d+)$/m.exec(text)?.[1]);
}
