import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, connect as connectTcp, type AddressInfo, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { credentials, status, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { residentBytes } from '../../lib/platform/page-cache.js';
import { shardName, splitFolder } from '../../lib/platform/root-layout.js';
import {
  BatchServiceClient,
  StreamBatchesRequest,
  type BatchFrame,
  type GetStatusResponse,
} from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const LARGE = { height: 256, width: 256, channels: 3 };
const SMALL = { height: 12, width: 10, channels: 3 };

describe('what a batch server tells of itself', () => {
  const folder = temporaryFolder();
  const closers: (() => unknown)[] = [];
  const lines: Record<string, unknown>[] = [];
  let server: BatchServer;

  before(async () => {
    await makeSplit(folder.path, {
      ...{ dataset: 'large', split: 'train' },
      numSamples: 20,
      shape: LARGE,
      shardSamples: 10,
    });
    await makeSplit(folder.path, {
      ...{ dataset: 'broken', split: 'train' },
      numSamples: 20,
      shape: SMALL,
      shardSamples: 10,
    });
    await rm(join(splitFolder(folder.path, 'broken', 'train'), shardName(1)), { recursive: true });
    const sink = new PassThrough();
    sink.on('data', (line: Buffer) => lines.push(JSON.parse(String(line)) as Record<string, unknown>));
    server = BatchServer.create({ root: folder.path, port: 0, metricsPort: 0, drainMs: 0, isWarmed: true }, pino(sink));
    await server.start();
  });
  after(() => server.destroy());
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  const clientOf = (address: string): BatchServiceClient => {
    const stub = new BatchServiceClient(address, credentials.createInsecure());
    closers.unshift(() => stub.close());
    return stub;
  };
  const stream = (stub: BatchServiceClient, change: Parameters<typeof StreamBatchesRequest.fromPartial>[0] = {}) => {
    const request = {
      dataset: 'large',
      split: 'train',
      globalBatchSize: 10,
      transform: { mean: 3 },
      ...change,
    } as const;
    const call = stub.streamBatches(StreamBatchesRequest.fromPartial(request));
    call.on('error', () => undefined);
    closers.unshift(() => call.cancel());
    return call;
  };
  const statusOf = (residency = false): Promise<GetStatusResponse> => {
    const stub = new BatchServiceClient(server.address, credentials.createInsecure());
    return new Promise<GetStatusResponse>((resolve, reject) => {
      stub.getStatus({ residency }, (error, response) => (error === null ? resolve(response) : reject(error)));
    }).finally(() => stub.close());
  };
  const until = async (holds: (answer: GetStatusResponse) => boolean): Promise<GetStatusResponse> => {
    for (;;) {
      const answer = await statusOf();
      if (holds(answer)) return answer;
    }
  };
  const take = async (call: ClientReadableStream<BatchFrame>): Promise<void> => {
    await once(call, 'data');
    call.pause();
  };

  it('names the trainer as what a stream waits for when the trainer does not read', async () => {
    await take(stream(clientOf(server.address)));
    const { streams, memoryUsedBytes, memoryLimitBytes } = await until((it) => it.streams[0]?.trainerWaitRatio > 0.5);
    const [{ wireWaitRatio, diskWaitRatio, assemblyWaitRatio, dataset, imagesSent }] = streams;
    assert.ok(wireWaitRatio + diskWaitRatio + assemblyWaitRatio < 0.5);
    assert.deepEqual({ dataset, hasSent: imagesSent > 0 }, { dataset: 'large', hasSent: true });
    assert.ok(memoryUsedBytes > 0 && memoryUsedBytes < memoryLimitBytes);
  });

  it('names the wire when the network does not take what is sent', async () => {
    const sockets: Socket[] = [];
    // Nothing is read from the server any more once the stream is under way.
    const proxy = createServer((near) => {
      const [host, port] = server.address.split(':');
      const far = connectTcp(Number(port), host);
      sockets.push(near, far);
      near.pipe(far).on('error', () => near.destroy());
      far.pipe(near).on('error', () => far.destroy());
      let numBytes = 0;
      far.on('data', (chunk: Buffer) => {
        numBytes += chunk.length;
        if (numBytes > 1 << 20) far.unpipe(near).pause();
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    closers.unshift(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    const stub = new BatchServiceClient(
      `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
      credentials.createInsecure(),
      // Wide enough that it is never what holds the server up.
      { 'grpc-node.flow_control_window': 1 << 30 },
    );
    closers.unshift(() => stub.close());
    stream(stub).resume();
    const { streams } = await until((it) => it.streams[0]?.wireWaitRatio > 0.5);
    assert.ok(streams[0].trainerWaitRatio < 0.5);
  });

  it('says how far a stream is behind the furthest of the same run', async () => {
    const [first, second] = [clientOf(server.address), clientOf(server.address)];
    await take(stream(first, { epoch: 200 }));
    await take(stream(second, { epoch: 1 }));
    await take(stream(second, { epoch: 1, seed: 7 }));
    const { streams } = await until((it) => it.streams.length === 3);
    assert.equal(streams.filter(({ lagSteps }) => lagSteps === 0).length, 2);
    assert.ok(streams.some(({ lagSteps, epoch }) => lagSteps > 100 && epoch < 200));
  });

  it('tells images and bytes a second of late', async () => {
    const call = stream(clientOf(server.address), { numEpochs: 3 });
    await once(call.resume(), 'end');
    const { imagesPerSecond, bytesPerSecond, bytesSent } = await statusOf();
    assert.ok(imagesPerSecond >= 6, String(imagesPerSecond));
    assert.ok(bytesPerSecond > 0 && bytesSent >= 60 * 196_608);
  });

  it('reads its shards at the start, and tells how much of them lies in memory', async function () {
    await until((it) => it.warmBytesDone >= 20 * 196_608);
    if ((await residentBytes([process.execPath])) === undefined) this.skip();
    const { splits } = await statusOf(true);
    const large = splits.find(({ dataset }) => dataset === 'large');
    assert.equal(large?.residentBytes, large?.bytes);
  });

  it('ends the stream that meets a missing shard with DATA_LOSS, raises the alarm, and logs a line for it', async () => {
    lines.length = 0;
    const call = stream(clientOf(server.address), { dataset: 'broken', globalBatchSize: 5, numEpochs: 1 });
    const error = await new Promise<ServiceError>((resolve) => call.resume().once('error', resolve as () => void));
    assert.equal(error.code, status.DATA_LOSS);
    const text = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    assert.match(text, /^millrace_serve_corrupt_records_total\{dataset="broken",split="train"\} 1$/m);
    const [opened, ended] = lines.filter(({ dataset }) => dataset === 'broken');
    assert.equal(opened['msg'], 'stream opened');
    assert.match(String(opened['peer']), /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(
      {
        msg: ended['msg'],
        reason: ended['reason'],
        level: ended['level'],
        split: ended['split'],
        epoch: ended['epoch'],
      },
      { msg: 'stream ended', reason: 'ERR_SHARD_CORRUPT', level: 40, split: 'train', epoch: 0 },
    );
    assert.ok(Number(ended['seconds']) > 0);
  });

  it('logs how a stream ended that came to its end, and one that was not opened', async () => {
    lines.length = 0;
    const stub = clientOf(server.address);
    await once(stream(stub, { numEpochs: 1 }).resume(), 'end');
    await once(stream(stub, { dataset: 'none' }).resume(), 'error');
    const [, ended, refused] = lines;
    assert.deepEqual(
      { msg: ended['msg'], reason: ended['reason'], images: ended['images'], batches: ended['batches'] },
      { msg: 'stream ended', reason: 'done', images: 20, batches: 2 },
    );
    assert.deepEqual(
      { msg: refused['msg'], reason: refused['reason'], dataset: refused['dataset'] },
      { msg: 'stream refused', reason: 'ERR_NOT_FOUND', dataset: 'none' },
    );
  });
});
