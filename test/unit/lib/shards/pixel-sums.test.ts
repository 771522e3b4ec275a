import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  channelStatisticsOf,
  decodePixelSums,
  encodePixelSums,
  meanImageOf,
  mergePixelSums,
  stdImageOf,
  type PixelSums,
} from '../../../../lib/shards/pixel-sums.js';

const shape = { channels: 3, height: 2, width: 2 };
const images = fc.array(fc.uint8Array({ minLength: 12, maxLength: 12 }), { minLength: 1, maxLength: 20 });

function sumsOf(list: readonly Uint8Array[]): PixelSums {
  const [sums, squares] = [new Float64Array(12), new Float64Array(12)];
  for (const image of list) {
    image.forEach((value, i) => {
      sums[i] += value;
      squares[i] += value * value;
    });
  }
  return { shape, numImages: list.length, sums, squares };
}

async function merge(...parts: readonly PixelSums[]): Promise<PixelSums> {
  return mergePixelSums(
    shape,
    (async function* () {
      for (const part of parts) yield await Promise.resolve(part);
    })(),
  );
}

describe('pixel sums', () => {
  it('come to the same, in whatever parts and order they are merged, also by way of bytes', async () => {
    await fc.assert(
      fc.asyncProperty(images, fc.nat(20), async (list, cut) => {
        const parts = [sumsOf(list.slice(cut)), sumsOf(list.slice(0, cut))];
        const merged = await merge(...parts.map((part) => decodePixelSums(encodePixelSums(part), shape, 'sums')));
        assert.deepEqual(merged, sumsOf(list));
      }),
    );
  });

  it('give mean and deviation of each pixel, and of each channel', () => {
    const statisticsOf = (values: readonly number[]): readonly [number, number] => {
      const average = values.reduce((sum, value) => sum + value, 0) / values.length;
      return [average, Math.sqrt(values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length)];
    };
    const assertNear = (found: number, expected: number): void => assert.ok(Math.abs(found - expected) < 1e-4);
    fc.assert(
      fc.property(images, (list) => {
        const sums = sumsOf(list);
        const mean = meanImageOf(sums).data;
        const std = stdImageOf(sums).data;
        for (let i = 0; i < 12; i++) {
          const [average, deviation] = statisticsOf(list.map((image) => image[i]));
          assert.equal(mean[i], Math.fround(average));
          assertNear(std[i], deviation);
        }
        const channels = channelStatisticsOf(sums);
        for (let channel = 0; channel < 3; channel++) {
          const values = list.flatMap((image) => [...image.subarray(channel * 4, channel * 4 + 4)]);
          const [average, deviation] = statisticsOf(values);
          assertNear(channels.mean[channel], average);
          assertNear(channels.std[channel], deviation);
        }
      }),
    );
  });

  it('refuse other shapes', async () => {
    assert.throws(() => decodePixelSums(Buffer.alloc(8), shape, 'p.f64'), {
      code: 'ERR_SHARD_CORRUPT',
      message: /p\.f64/,
    });
    const flat = { ...sumsOf([]), sums: new Float64Array(6), squares: new Float64Array(6) };
    await assert.rejects(merge(flat), { code: 'ERR_INTERNAL' });
  });
});
