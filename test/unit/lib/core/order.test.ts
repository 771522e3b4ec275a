import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { createBatchPlanner, type Order } from '../../../../lib/core/batch-plan.js';
import { colorStepsOf, FACTOR_ONE, lightingOf, type ColorStep } from '../../../../lib/core/color-draws.js';
import { draw32, drawBelow, DrawLane } from '../../../../lib/core/draws.js';
import { createIdDigest } from '../../../../lib/core/id-digest.js';
import { deriveSeed, mix32 } from '../../../../lib/core/keyed-hash.js';
import { mixOf } from '../../../../lib/core/mix-draws.js';
import { createPermutation, MAX_SAMPLES } from '../../../../lib/core/permutation.js';
import { completeTransform } from '../../../../lib/core/presets.js';
import { resizedCropOf, type Rectangle } from '../../../../lib/core/resized-crop.js';
import { allSamples, createSequence, type Selection } from '../../../../lib/core/selection.js';
import { windowOf } from '../../../../lib/core/transform.js';
import { packageRoot } from '../../../../lib/platform/package-root.js';

interface Vectors {
  mix32: [number, number][];
  permutation: { numSamples: number; seed: number; epoch: number; positions: number[]; ids: number[] }[];
  draws: {
    seed: number;
    epoch: number;
    sampleId: number;
    lane: keyof typeof DrawLane;
    word: number;
    below30: number;
  }[];
  seeds: [number, number, number][];
  sequences: {
    selection: Selection;
    seed: number;
    shuffle: 'full' | 'none' | [number, number];
    epoch: number;
    places: [number, number][];
  }[];
  augmentations: {
    seed: number;
    epoch: number;
    sampleId: number;
    resizedCrop: number[];
    wideCrop: number[];
    color: [ColorStep['kind'], number][];
    lighting: number[];
    mixup: number;
    either: [number, number[] | null];
  }[];
  batches: (Omit<Order, 'shuffle' | 'selection'> & {
    numSamples: number;
    epoch: number;
    step: number;
    rank: number;
    worldSize: number;
    ids: number[];
    isValid: boolean[];
  })[];
  digests: { ids: number[]; hex: string }[];
}

const folder = join(packageRoot(), 'protos/order');
const vectorsText = readFileSync(join(folder, 'vectors.json'), 'utf8');
const vectors = JSON.parse(vectorsText) as Vectors;

describe('the law of the order', () => {
  it('has test vectors that its Python reference prints', () => {
    const printed = execFileSync('python3', [join(folder, 'reference.py')], { encoding: 'utf8' });
    assert.deepEqual(JSON.parse(printed), JSON.parse(vectorsText));
  });

  it('mixes words as the vectors say', () => {
    for (const [word, mixed] of vectors.mix32) assert.equal(mix32(word), mixed);
  });

  it('permutes as the vectors say', () => {
    for (const { numSamples, seed, epoch, positions, ids } of vectors.permutation) {
      const permutation = createPermutation({ numSamples, seed, epoch });
      assert.deepEqual(
        positions.map((position) => permutation.at(position)),
        ids,
      );
    }
  });

  it('derives seeds as the vectors say', () => {
    for (const [seed, index, derived] of vectors.seeds) assert.equal(deriveSeed(seed, index), derived);
  });

  it('shuffles in blocks, takes subsets and mixes as the vectors say', () => {
    for (const { selection, seed, shuffle, epoch, places } of vectors.sequences) {
      const sequence = createSequence(
        selection,
        typeof shuffle === 'string'
          ? { seed, shuffle }
          : { seed, shuffle: 'blocks', blocks: { blockSamples: shuffle[0], windowBlocks: shuffle[1] } },
      );
      assert.equal(sequence.length, places.length);
      places.forEach(([id, sampleEpoch], position) => {
        assert.deepEqual(sequence.at(epoch, position), { id, epoch: sampleEpoch });
      });
    }
  });

  it('draws as the vectors say', () => {
    // 30 places for either corner.
    const transform = completeTransform({ cropSize: 227, mirror: true });
    const stored = { height: 256, width: 256, channels: 3 };
    for (const { seed, epoch, sampleId, lane, word, below30 } of vectors.draws) {
      const window = windowOf(transform, stored, seed, epoch, sampleId);
      if (lane === 'cropY') assert.equal(window.y, below30);
      if (lane === 'cropX') assert.equal(window.x, below30);
      if (lane === 'mirror') assert.equal(window.isMirrored, word >= 2 ** 31);
      assert.equal(draw32(seed, epoch, sampleId, DrawLane[lane]), word);
      assert.equal(drawBelow(30, seed, epoch, sampleId, DrawLane[lane]), below30);
    }
  });

  it('takes the centre as Caffe does, where one pixel more is left below and on the right', () => {
    const transform = completeTransform({ cropSize: 227, cropMode: 'center' });
    const { y, x } = windowOf(transform, { height: 256, width: 250, channels: 3 }, 0, 0, 0);
    assert.deepEqual([y, x], [14, 11]);
  });

  it('draws crops, colors and mixtures as the vectors say', () => {
    for (const { seed, epoch, sampleId, ...expected } of vectors.augmentations) {
      const draw = [seed, epoch, sampleId] as const;
      const crop = completeTransform({ cropMode: 'random-resized' });
      const rectangleOf = ({ y, x, height, width }: Rectangle): number[] => [y, x, height, width];
      assert.deepEqual(rectangleOf(resizedCropOf(crop, { height: 256, width: 240 }, ...draw)), expected.resizedCrop);
      const wide = { ...crop, area: { min: 0.9, max: 1 } };
      assert.deepEqual(rectangleOf(resizedCropOf(wide, { height: 32, width: 256 }, ...draw)), expected.wideCrop);

      const colorJitter = { brightness: 0.4, contrast: 0.5, saturation: 1.5, hue: 0.25 };
      const steps = colorStepsOf({ colorJitter }, ...draw);
      assert.deepEqual(
        steps.map(({ kind }) => kind),
        expected.color.map(([kind]) => kind),
      );
      steps.forEach((step, i) => {
        const drawn = expected.color[i][1];
        if (step.kind === 'hue') {
          // The first element is .213 + .787 cos − .213 sin.
          const angle = (2 * Math.PI * drawn) / FACTOR_ONE;
          const element = 0.213 + 0.787 * Math.cos(angle) - 0.213 * Math.sin(angle);
          assert.equal(step.matrix[0], Math.round(element * 16384));
        } else {
          assert.equal(step.factor, Math.max(0, FACTOR_ONE + drawn));
        }
      });
      const [b, g, r] = lightingOf({ lighting: 0.5 }, ...draw) ?? [];
      assert.deepEqual([r, g, b], expected.lighting);

      const shape = { height: 224, width: 200 };
      const mixup = mixOf({ mixing: { mixupAlpha: 0.25, cutmixAlpha: 0 } }, shape, ...draw);
      assert.deepEqual(mixup, { lambda: expected.mixup, box: undefined });
      const either = mixOf({ mixing: { mixupAlpha: 0.5, cutmixAlpha: 1 } }, shape, ...draw);
      assert.equal(either?.lambda, expected.either[0]);
      const { box } = either;
      assert.deepEqual(box === undefined ? null : [box.top, box.left, box.bottom, box.right], expected.either[1]);
    }
  });

  it('plans batches as the vectors say', () => {
    for (const { epoch, step, rank, worldSize, ids, isValid, numSamples, ...order } of vectors.batches) {
      const planner = createBatchPlanner({ ...order, selection: allSamples(numSamples), shuffle: 'full' });
      const plan = planner.plan({ epoch, step }, { rank, worldSize });
      assert.deepEqual([...plan.ids], ids);
      assert.deepEqual(
        [...plan.isValid],
        isValid.map((valid) => (valid ? 1 : 0)),
      );
    }
  });

  it('digests sets of ids as the vectors say', () => {
    for (const { ids, hex } of vectors.digests) {
      const digest = createIdDigest();
      ids.forEach((id) => digest.add(id));
      assert.equal(digest.hex(), hex);
      assert.equal(digest.count, ids.length);
    }
  });
});

const seeds = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const epochs = fc.integer({ min: 0, max: 0xffffffff });

describe('a permutation', () => {
  it('is a bijection of [0, numSamples) for any size, seed and epoch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), seeds, epochs, (numSamples, seed, epoch) => {
        const permutation = createPermutation({ numSamples, seed, epoch });
        const seen = new Uint8Array(numSamples);
        for (let position = 0; position < numSamples; position++) seen[permutation.at(position)]++;
        assert.ok(seen.every((count) => count === 1));
      }),
    );
  });

  it('has an inverse at every position of every size up to 2^40', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MAX_SAMPLES }), fc.nat(), seeds, epochs, (numSamples, at, seed, epoch) => {
        const permutation = createPermutation({ numSamples, seed, epoch });
        const position = at % numSamples;
        const id = permutation.at(position);
        assert.ok(Number.isSafeInteger(id) && id >= 0 && id < numSamples);
        assert.equal(permutation.positionOf(id), position);
      }),
    );
  });

  for (const { numSamples, numOrders, limit } of [
    // Chi-square over all orders, against what is passed by chance once in a thousand.
    { numSamples: 3, numOrders: 6, limit: 20.5 },
    { numSamples: 4, numOrders: 24, limit: 49.7 },
    { numSamples: 5, numOrders: 120, limit: 173.6 },
  ]) {
    it(`gives each order of ${numSamples} samples equally often`, () => {
      const counts = new Map<string, number>();
      const numDraws = 48_000;
      for (let seed = 0; seed < numDraws; seed++) {
        const permutation = createPermutation({ numSamples, seed, epoch: 0 });
        const order = Array.from({ length: numSamples }, (_, position) => permutation.at(position)).join('');
        counts.set(order, (counts.get(order) ?? 0) + 1);
      }
      const expected = numDraws / numOrders;
      const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      assert.equal(counts.size, numOrders);
      assert.ok(chiSquare < limit, `chi-square ${chiSquare}`);
    });
  }

  it('mixes classes in a batch as a uniform shuffle does', () => {
    // 1,000 classes of 1,281 in a row: a batch of 256 uniform draws holds 226 of them on average, 5.1 standard deviation.
    const permutation = createPermutation({ numSamples: 1_281_000, seed: 3, epoch: 1 });
    let sum = 0;
    const numBatches = 200;
    for (let batch = 0; batch < numBatches; batch++) {
      const classes = new Set<number>();
      for (let i = 0; i < 256; i++) classes.add(Math.floor(permutation.at(batch * 256 + i) / 1281));
      sum += classes.size;
    }
    assert.ok(Math.abs(sum / numBatches - 226) < 2, `${sum / numBatches} classes a batch`);
  });

  it('refuses what is out of range, saying what it expected', () => {
    const key = { numSamples: 10, seed: 0, epoch: 0 };
    for (const [wrong, name] of [
      [{ numSamples: 0 }, 'numSamples'],
      [{ numSamples: 2 ** 40 + 1 }, 'numSamples'],
      [{ seed: -1 }, 'seed'],
      [{ seed: 0.5 }, 'seed'],
      [{ epoch: 2 ** 32 }, 'epoch'],
    ] as const) {
      assert.throws(() => createPermutation({ ...key, ...wrong }), new RegExp(`expected ${name} to be an integer`));
    }
    assert.throws(() => createPermutation(key).at(10), /expected position to be an integer of \[0, 9\], got 10/);
  });
});
