import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addImage,
  channelStatisticsOf,
  createPixelSums,
  decodePixelSums,
  encodePixelSums,
  meanImageOf,
  mergePixelSums,
} from '../../../../lib/shards/pixel-sums.js';

const shape = { channels: 3, height: 2, width: 2 };
const images = fc.array(fc.uint8Array({ minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 20 });

function sumsOf(list: readonly Uint8Array[]) {
  const sums = createPixelSums(shape);
  for (const image of list) addImage(sums, image);
  return sums;
}

describe('pixel sums', () => {
  it('come to the same, in whatever parts and order they are merged, also by way of bytes', () => {
    fc.assert(
      fc.property(images, fc.nat(20), (list, cut) => {
        const whole = sumsOf(list);
        const parts = [sumsOf(list.slice(cut)), sumsOf(list.slice(0, cut))];
        const merged = createPixelSums(shape);
        for (const part of parts) mergePixelSums(merged, decodePixelSums(encodePixelSums(part), shape, 'sums'));
        assert.deepEqual(merged, whole);
      }),
    );
  });

  it('give the mean of each pixel, and mean and deviation of each channel', () => {
    fc.assert(
      fc.property(images, (list) => {
        const sums = sumsOf(list);
        const mean = meanImageOf(sums).data;
        for (let i = 0; i < 12; i++) {
          assert.equal(mean[i], Math.fround(list.reduce((sum, image) => sum + image[i], 0) / list.length));
        }
        const statistics = channelStatisticsOf(sums);
        for (let channel = 0; channel < 3; channel++) {
          const values = list.flatMap((image) => [...image.subarray(channel * 4, channel * 4 + 4)]);
          const average = values.reduce((sum, value) => sum + value, 0) / values.length;
          const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length;
          assert.ok(Math.abs(statistics.mean[channel] - average) < 1e-9);
          assert.ok(Math.abs(statistics.std[channel] - Math.sqrt(variance)) < 1e-5);
        }
      }),
    );
  });

  it('refuse bytes of another shape', () => {
    assert.throws(() => decodePixelSums(Buffer.alloc(8), shape, 'p.f64'), {
      code: 'ERR_SHARD_CORRUPT',
      message: /p\.f64/,
    });
  });
});
