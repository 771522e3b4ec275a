import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createBatchPlanner } from '../../lib/core/batch-plan.js';
import type { Selection } from '../../lib/core/selection.js';
import { LABELS_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import type { BatchServer } from '../../services/batch-server/server.js';
import { connect, type Batch, type StreamOptions } from '../../services/trainer/client/client.js';
import { collectBatches, refusalOf, startBatchServer } from '../fixtures/batch-server.js';
import { servedSplits } from '../fixtures/served-splits.js';
import { fixtureLabel, fixturePixels, makeSplit } from '../fixtures/split.js';

const SHAPE = { height: 4, width: 4, channels: 3 };
const FIXTURE = { dataset: 'first', split: 'train', numSamples: 53, shape: SHAPE, shardSamples: 20 };
const EXTRA = { ...FIXTURE, dataset: 'second', numSamples: 24, salt: 7 };

describe('the order of a stream', () => {
  const served = servedSplits(FIXTURE, EXTRA);
  const options = { dataset: 'first', split: 'train', batchSize: 6, seed: 3, epochs: 2, endOfEpoch: 'wrap' } as const;

  const range = (begin: number, end: number): number[] => Array.from({ length: end - begin }, (_, i) => begin + i);
  const listOf = (labels: readonly number[]): number[] =>
    range(0, FIXTURE.numSamples).filter((id) => labels.includes(fixtureLabel(id)));
  const mixOf = (...parts: (readonly [number, number[]])[]): Selection => ({
    kind: 'mix',
    parts: parts.map(([weight, ids]) => ({ weight, of: { kind: 'list', ids } })),
  });

  const orders: readonly (readonly [string, Partial<StreamOptions>, Selection])[] = [
    [
      'blocks',
      { shuffle: 'blocks', blocks: { blockSamples: 4, windowBlocks: 3 } },
      { kind: 'range', begin: 0, end: 53 },
    ],
    ['some ids', { selection: { ids: [50, 3, 17, 4, 22, 9, 1] } }, { kind: 'list', ids: [50, 3, 17, 4, 22, 9, 1] }],
    ['some classes', { selection: { classes: [7, 2] } }, { kind: 'list', ids: listOf([2, 7]) }],
    [
      'every class equally often',
      { selection: { balanceClasses: true } },
      mixOf(...range(0, 10).map((label) => [1, listOf([label])] as const)),
    ],
    [
      'classes by weight',
      { selection: { classes: [4, 1], classWeights: [3, 1] } },
      mixOf([3, listOf([4])], [1, listOf([1])]),
    ],
    [
      'two splits by their sizes',
      { mixWith: [{ dataset: 'second', split: 'train' }] },
      mixOf([53, range(0, 53)], [24, range(53, 77)]),
    ],
    [
      'two splits by weight, parts of each',
      {
        weight: 1,
        selection: { classes: [5] },
        mixWith: [{ dataset: 'second', split: 'train', weight: 2, selection: { ids: [23, 0, 5] } }],
      },
      mixOf([1, listOf([5])], [2, [53 + 23, 53, 53 + 5]]),
    ],
  ];

  for (const [what, change, selection] of orders) {
    it(`of ${what} is what the law says, whatever the world, and resumes at any step`, async () => {
      const stream = { ...options, ...change };
      const planner = createBatchPlanner({
        selection,
        seed: 3,
        shuffle: stream.shuffle ?? 'full',
        blocks: stream.blocks,
        endOfEpoch: 'wrap',
        globalBatchSize: 6,
      });
      const all = await collectBatches(served.client, { ...stream, prefetchBytes: 1 << 20 });
      assert.equal(all.length, planner.numSteps(0) + planner.numSteps(1));
      for (const batch of all) {
        const plan = planner.plan(batch, { rank: 0, worldSize: 1 });
        assert.deepEqual(batch.ids, plan.ids);
        batch.ids.forEach((id, i) => checkSample(batch, i, id));
      }
      const parts = await Promise.all(
        [0, 1, 2].map((rank) => collectBatches(served.client, { ...stream, batchSize: 2, rank, worldSize: 3 })),
      );
      all.forEach((batch, step) => {
        assert.deepEqual(
          parts.flatMap((part) => [...part[step].images]),
          [...batch.images],
        );
      });
      for (const [i, { epoch, step }] of all.entries()) {
        const rest = await collectBatches(served.client, { ...stream, from: { epoch, step }, epochs: 2 - epoch });
        assert.deepEqual(rest, all.slice(i));
      }
    });
  }

  /** The pixels and label are the sample's own, of whichever split it is. */
  function checkSample(batch: Batch, i: number, id: number): void {
    const [own, salt] = id < FIXTURE.numSamples ? [id, 0] : [id - FIXTURE.numSamples, EXTRA.salt];
    assert.equal(batch.labels[i], fixtureLabel(own));
    const pixels = fixturePixels(SHAPE, own, salt);
    // What was subtracted is the first split's mean, the same of all samples.
    const mean = pixels[0] - batch.images[i * 48];
    firstPixelMean ??= mean;
    assert.ok(Math.abs(mean - firstPixelMean) < 1e-4, `${mean} was subtracted`);
  }
  let firstPixelMean: number | undefined;

  it('with weighted classes holds them in exact shares', async () => {
    const batches = await collectBatches(served.client, {
      ...options,
      batchSize: 8,
      selection: { classes: [4, 1], classWeights: [3, 1] },
    });
    for (const { labels } of batches) {
      assert.equal(labels.filter((label) => label === 4).length, 6);
      assert.equal(labels.filter((label) => label === 1).length, 2);
    }
  });

  it('needs the labels read once: they are kept beside the shards, and read anew for other data', async () => {
    const ids = async (root: BatchServer): Promise<number[]> => {
      const own = connect({ servers: [root.address] });
      const batches = await collectBatches(own, { ...options, selection: { classes: [3] }, epochs: 1 });
      own.close();
      return batches.flatMap((batch) => [...batch.ids]);
    };
    const kept = join(splitFolder(served.root, 'first', 'train'), LABELS_FILE);
    const before = await ids(served.server);
    await rm(kept);
    const second = await startBatchServer(served.root);
    assert.deepEqual(await ids(second), before);
    await second.destroy();
    // Another split in the same place, with a file of the old version.
    await makeSplit(served.root, { ...FIXTURE, numSamples: 33, salt: 1 });
    const third = await startBatchServer(served.root);
    assert.deepEqual(new Set(await ids(third)), new Set([3, 13, 23]));
    await third.destroy();
    await makeSplit(served.root, FIXTURE);
  });

  it('is refused to a trainer who began with another version of its second split', async () => {
    const error = await refusalOf(served.server, {
      globalBatchSize: 6,
      sources: [
        { dataset: 'first', split: 'train' },
        { dataset: 'second', split: 'train', version: 'f00' },
      ],
    });
    assert.equal(error.code, status.FAILED_PRECONDITION);
    assert.match(error.details, /^sources\[1\]\.version: the stream began on f00/);
  });
});
