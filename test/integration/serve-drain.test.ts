/** What becomes of streams when their server is told to go. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { credentials, status, type ServiceError } from '@grpc/grpc-js';
import { createLogger } from '../../lib/platform/logger.js';
import {
  BatchServiceClient,
  EndOfEpoch,
  StreamBatchesRequest,
  type BatchFrame,
} from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

/** Long enough that no test waits for it. */
const DRAIN_MS = 3_600_000;
const BATCH_SIZE = 100;

describe('a batch server that is told to go', () => {
  const folder = temporaryFolder();
  before(() => {
    // A batch of them comes in ten frames or more.
    const shape = { height: 240, width: 240, channels: 3 };
    return makeSplit(folder.path, { dataset: 'fixture', split: 'train', numSamples: 20, shape, shardSamples: 20 });
  });

  it('ends each stream when its batch is whole, takes no new one, and is gone then', async () => {
    const server = BatchServer.create(
      { root: folder.path, port: 0, drainMs: DRAIN_MS },
      createLogger('test', 'silent'),
    );
    await server.start();
    const stub = new BatchServiceClient(server.address, credentials.createInsecure());
    const endless = { dataset: 'fixture', split: 'train', globalBatchSize: BATCH_SIZE, endOfEpoch: EndOfEpoch.WRAP };
    const request = StreamBatchesRequest.fromPartial(endless);
    const call = stub.streamBatches(request);
    let numSamples = 0;
    let numFrames = 0;
    call.on('data', ({ ids }: BatchFrame) => {
      numSamples += ids.length;
      numFrames++;
    });
    const ended = once(call, 'error') as Promise<[ServiceError]>;
    await once(call, 'data');
    assert.ok(numSamples < BATCH_SIZE, 'the first batch is under way');
    const isGone = server.destroy();
    const [{ code }] = await ended;
    assert.equal(code, status.UNAVAILABLE);
    assert.ok(numFrames > 1);
    assert.equal(numSamples % BATCH_SIZE, 0, `${numSamples} samples came`);
    await isGone;
    const late = stub.streamBatches(request);
    const [error] = (await once(late, 'error')) as [ServiceError];
    assert.equal(error.code, status.UNAVAILABLE);
    stub.close();
  });
});
