import assert from 'node:assert/strict';
import { createBatchPlanner, type EndOfEpoch } from '../../lib/core/batch-plan.js';
import { completeTransform } from '../../lib/core/presets.js';
import { allSamples } from '../../lib/core/selection.js';
import { croppedShape, windowOf, type Transform } from '../../lib/core/transform.js';
import { collectBatches } from '../fixtures/batch-server.js';
import { servedSplits } from '../fixtures/served-splits.js';
import { fixtureLabel, fixturePixels, makeSplit } from '../fixtures/split.js';

const SHAPE = { height: 12, width: 10, channels: 3 };
const NUM_SAMPLES = 37;

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
  const served = servedSplits({
    dataset: 'fixture',
    split: 'train',
    numSamples: NUM_SAMPLES,
    shape: SHAPE,
    shardSamples: 10,
  });
  const options = { dataset: 'fixture', split: 'train', batchSize: 5, seed: 11, epochs: 2 } as const;

  it('tells the facts of a split', async () => {
    const info = await served.client.dataset('fixture', 'train');
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
    const batches = await collectBatches(served.client, options);
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
        const { image: mean } = (await served.client.dataset('fixture', 'train')).mean;
        for (const dtype of ['uint8', 'float32'] as const) {
          const transform = completeTransform({ cropSize: 7, mirror: true, scale: 0.1, dtype, layout, channelOrder });
          // A scale is a float32.
          const asSent = { ...transform, scale: Math.fround(0.1) };
          const [batch] = await collectBatches(served.client, { ...options, transform }, 1);
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
    const { channels } = (await served.client.dataset('fixture', 'train')).mean;
    const transform = { layout: 'NCHW', cropMode: 'center' } as const;
    const [plain] = await collectBatches(served.client, { ...options, transform: { ...transform, mean: 'none' } }, 1);
    const [byChannel] = await collectBatches(
      served.client,
      { ...options, transform: { ...transform, mean: 'channel' } },
      1,
    );
    assert.deepEqual([...plain.images.subarray(0, 360)], [...fixturePixels(SHAPE, plain.ids[0])]);
    byChannel.images.forEach((value, i) => {
      const channel = Math.floor(i / 120) % 3;
      assert.equal(value, Math.fround(plain.images[i] - Math.fround(channels[channel])));
    });
  });

  it('gives each rank its part, and the parts are the global batch', async () => {
    const whole = await collectBatches(served.client, { ...options, batchSize: 6, epochs: 1 });
    const parts = await Promise.all(
      [0, 1, 2].map((rank) =>
        collectBatches(served.client, { ...options, batchSize: 2, rank, worldSize: 3, epochs: 1 }),
      ),
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
      const batches = await collectBatches(served.client, { ...options, endOfEpoch, epochs: 1 });
      const valid = batches.flatMap((batch) => [...batch.ids].filter((_, i) => batch.isValid[i] === 1));
      assert.equal(batches.length, numSteps);
      assert.equal(valid.length, numValid);
      assert.equal(new Set(valid.slice(0, NUM_SAMPLES)).size, Math.min(numValid, NUM_SAMPLES));
    });
  }

  it('resumes at any step with the batches that would have come', async () => {
    const transform = { cropSize: 7, mirror: true } as const;
    const all = await collectBatches(served.client, { ...options, transform });
    for (let i = 0; i < all.length; i++) {
      const from = { epoch: all[i].epoch, step: all[i].step };
      const rest = await collectBatches(served.client, { ...options, transform, from, epochs: 2 - from.epoch });
      assert.deepEqual(rest, all.slice(i));
    }
    assert.deepEqual(
      await collectBatches(served.client, { ...options, transform, from: { epoch: 0, step: 7 }, epochs: 2 }),
      all.slice(7),
    );
  });

  it('sends a batch that is larger than a frame as several frames', async () => {
    const shape = { height: 256, width: 256, channels: 3 };
    await makeSplit(served.root, { dataset: 'large', split: 'train', numSamples: 14, shape, shardSamples: 14 });
    const [batch] = await collectBatches(
      served.client,
      { dataset: 'large', split: 'train', batchSize: 14, transform: { mean: 'none', layout: 'NCHW' } },
      1,
    );
    batch.ids.forEach((id, i) => {
      const got = Uint8Array.from(batch.images.subarray(i * 196_608, (i + 1) * 196_608));
      assert.ok(Buffer.from(got.buffer).equals(fixturePixels(shape, id)), `sample ${id}`);
    });
  });
});
