import assert from 'node:assert/strict';
import { toBfloat16, toFloat16, fromBfloat16, fromFloat16 } from '../../lib/core/half-float.js';
import { mixOf } from '../../lib/core/mix-draws.js';
import { completeTransform, type TransformOptions } from '../../lib/core/presets.js';
import { resizedCropOf } from '../../lib/core/resized-crop.js';
import { softLabels } from '../../lib/core/soft-labels.js';
import { windowOf } from '../../lib/core/transform.js';
import type { Batch, StreamOptions } from '../../services/trainer/client/client.js';
import { collectBatches } from '../fixtures/batch-server.js';
import { PLAIN_TOOLS } from '../fixtures/plain-augment.js';
import { createPlainPlacer } from '../fixtures/plain-placer.js';
import { servedSplits } from '../fixtures/served-splits.js';
import { fixtureLabel, fixturePixels } from '../fixtures/split.js';

const SHAPE = { height: 20, width: 17, channels: 3 };
const SEED = 21;

describe('a transform', () => {
  const fixture = { dataset: 'fixture', split: 'train', numSamples: 40, shape: SHAPE, shardSamples: 25 };
  const served = servedSplits(fixture, { ...fixture, split: 'val', salt: 5 });
  const options = { dataset: 'fixture', split: 'train', batchSize: 8, seed: SEED } as const;

  const first = async (transform: TransformOptions, change: Partial<StreamOptions> = {}): Promise<Batch> => {
    const [batch] = await collectBatches(served.client, { ...options, ...change, transform }, 1);
    return batch;
  };
  const picture = ({ images, shape }: Batch, i: number): Float32Array => {
    const size = shape[1] * shape[2] * shape[3];
    return images.subarray(i * size, (i + 1) * size);
  };

  const transforms: readonly (readonly [string, TransformOptions])[] = [
    ['a resized crop', { cropSize: 9, cropMode: 'random-resized', mean: 'channel' }],
    ['a resized crop larger than the image', { cropSize: 30, cropMode: 'random-resized', mean: 'none', mirror: true }],
    ['ten crops', { cropSize: 11, cropMode: 'ten' }],
    [
      'jitter and lighting',
      { cropSize: 11, colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }, lighting: 0.1 },
    ],
    ['given means, std and scale', { mean: 'values', meanValues: [104, 117, 123], std: [57, 58, 59], scale: 0.5 }],
    ['one std for all channels', { mean: 'image', std: [64] }],
    ['the resnet preset, smaller', { preset: 'resnet', cropSize: 12 }],
    ['the eval preset, smaller', { preset: 'eval', cropSize: 12 }],
  ];
  for (const [what, transform] of transforms) {
    it(`with ${what} gives the same float32 on either side of the wire, as the plain placer makes it`, async () => {
      for (const layout of ['NHWC', 'NCHW'] as const) {
        const there = await first({ ...transform, layout, dtype: 'float32' });
        const change = { prefetchBytes: layout === 'NHWC' ? 1 << 20 : 0 };
        assert.deepEqual(await first({ ...transform, layout, dtype: 'uint8' }, change), there);
        const complete = completeTransform({ ...transform, layout, dtype: 'float32' });
        const { mean } = await served.client.dataset('fixture', 'train');
        const place = createPlainPlacer(complete, SHAPE, mean, SEED);
        const numViews = complete.cropMode === 'ten' ? 10 : 1;
        assert.equal(there.ids.length, 8 * numViews);
        there.ids.forEach((sampleId, i) => {
          const expected = Float32Array.from(picture(there, i));
          const window = windowOf(complete, SHAPE, SEED, 0, sampleId, i % numViews);
          place(new Uint8Array(expected.buffer), 0, fixturePixels(SHAPE, sampleId), { sampleId, epoch: 0, window });
          assert.deepEqual(picture(there, i), expected);
        });
      }
    });
  }

  it('in half floats rounds to the nearest of what float32 has', async () => {
    const float32 = await first({ cropSize: 11, dtype: 'float32' });
    const float16 = await first({ cropSize: 11, dtype: 'float16' });
    const bfloat16 = await first({ cropSize: 11, dtype: 'bfloat16' });
    float32.images.forEach((value, i) => {
      assert.equal(float16.images[i], fromFloat16(toFloat16(value)));
      assert.equal(bfloat16.images[i], fromBfloat16(toBfloat16(value)));
    });
  });

  it('with a resized crop takes the part that the law draws, another one each epoch', async () => {
    const transform = completeTransform({ cropSize: 9, cropMode: 'random-resized', mean: 'none', layout: 'NCHW' });
    const batch = await first(transform, { from: { epoch: 4, step: 0 } });
    const shape = { height: 9, width: 9, channels: 3 };
    batch.ids.forEach((id, i) => {
      const expected = new Uint8Array(243);
      PLAIN_TOOLS.resize(
        expected,
        shape,
        fixturePixels(SHAPE, id),
        SHAPE,
        resizedCropOf(transform, SHAPE, SEED, 4, id),
      );
      assert.deepEqual([...picture(batch, i)], [...expected]);
    });
  });

  it('of ten crops has corners and centre, then their mirror images, under one id', async () => {
    const batch = await first({ cropSize: 11, cropMode: 'ten', mean: 'none', layout: 'NCHW' });
    const whole = await first({ mean: 'none', layout: 'NCHW' });
    const origins = [[0, 0], [0, 6], [9, 0], [9, 6], [4, 3]]; // prettier-ignore
    batch.ids.forEach((id, i) => {
      assert.equal(id, whole.ids[Math.floor(i / 10)]);
      assert.equal(batch.labels[i], fixtureLabel(id));
      const [top, left] = origins[i % 5];
      const isMirrored = i % 10 >= 5;
      picture(batch, i).forEach((value, at) => {
        const x = at % 11;
        const y = Math.floor(at / 11) % 11;
        const c = Math.floor(at / 121);
        const source = (c * 20 + top + y) * 17 + left + (isMirrored ? 10 - x : x);
        assert.equal(value, picture(whole, Math.floor(i / 10))[source]);
      });
    });
  });

  it('subtracts the mean of another split, on either side of the wire', async () => {
    const { mean } = await served.client.dataset('fixture', 'val');
    const plain = await first({ mean: 'none', layout: 'NCHW' });
    for (const dtype of ['uint8', 'float32'] as const) {
      const batch = await first({ layout: 'NCHW', dtype }, { meanOf: { dataset: 'fixture', split: 'val' } });
      batch.images.forEach((value, i) => {
        assert.equal(value, Math.fround(plain.images[i] - mean.image[i % mean.image.length]));
      });
    }
  });

  it('smooths labels over all classes', async () => {
    const batch = await first({}, { labels: { smoothing: 0.1 } });
    assert.equal(batch.targets?.length, 80);
    batch.targets.forEach((value, i) => {
      const own = batch.labels[Math.floor(i / 10)] === i % 10 ? 0.9 : 0;
      assert.ok(Math.abs(value - own - 0.01) < 1e-7);
    });
    assert.equal((await first({})).targets, undefined);
    await assert.rejects(first({}, { labels: { smoothing: 1 } }), /labels.smoothing: expected a number of \[0, 1\)/);
  });

  for (const [what, mixing] of [
    // Alphas are float32 on the wire.
    ['mixup', { mixupAlpha: Math.fround(0.4), cutmixAlpha: 0 }],
    ['cutmix', { mixupAlpha: 0, cutmixAlpha: 1 }],
    ['the one or the other', { mixupAlpha: 1, cutmixAlpha: 0.75 }],
  ] as const) {
    it(`with ${what} mixes each sample with its neighbour as drawn, pictures and labels, in a world of any size`, async () => {
      const base: TransformOptions = { cropSize: 11, mirror: true, layout: 'NHWC' };
      const plain = await first(base);
      const mixed = await first({ ...base, mixing });
      const complete = completeTransform({ ...base, mixing });
      const draws = Array.from(mixed.ids, (id) => {
        const draw = mixOf(complete, { height: 11, width: 11 }, SEED, 0, id);
        assert.ok(draw !== undefined);
        return draw;
      });
      draws.forEach(({ lambda, box }, i) => {
        const [own, partner] = [picture(plain, i), picture(plain, i ^ 1)];
        picture(mixed, i).forEach((value, at) => {
          const [y, x] = [Math.floor(at / 33), Math.floor(at / 3) % 11];
          const isPasted = box !== undefined && y >= box.top && y < box.bottom && x >= box.left && x < box.right;
          const blended = Math.fround(lambda * own[at] + (1 - lambda) * partner[at]);
          assert.equal(value, box === undefined ? blended : isPasted ? partner[at] : own[at]);
        });
      });
      assert.deepEqual(mixed.targets, softLabels(mixed.labels, 10, 0, draws));
      const parts = await Promise.all(
        [0, 1].map((rank) => first({ ...base, mixing }, { batchSize: 4, rank, worldSize: 2 })),
      );
      assert.deepEqual(
        parts.flatMap(({ images }) => [...images]),
        [...mixed.images],
      );
      assert.deepEqual(await first({ ...base, mixing, dtype: 'float32' }), mixed);
    });
  }
});
