import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { createBatchPlanner, type EndOfEpoch, type Order } from '../../../../lib/core/batch-plan.js';
import { draw32, drawBelow, DrawLane } from '../../../../lib/core/draws.js';
import { createIdDigest } from '../../../../lib/core/id-digest.js';
import { mix32 } from '../../../../lib/core/keyed-hash.js';
import { createPermutation, MAX_SAMPLES } from '../../../../lib/core/permutation.js';
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
  batches: (Omit<Order, 'shuffle'> & {
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

  it('draws as the vectors say', () => {
    for (const { seed, epoch, sampleId, lane, word, below30 } of vectors.draws) {
      assert.equal(draw32(seed, epoch, sampleId, DrawLane[lane]), word);
      assert.equal(drawBelow(30, seed, epoch, sampleId, DrawLane[lane]), below30);
    }
  });

  it('plans batches as the vectors say', () => {
    for (const { epoch, step, rank, worldSize, ids, isValid, ...order } of vectors.batches) {
      const plan = createBatchPlanner({ ...order, shuffle: 'full' }).plan({ epoch, step }, { rank, worldSize });
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

describe('a batch plan', () => {
  const orders = fc
    .record({
      numSamples: fc.integer({ min: 1, max: 300 }),
      seed: fc.nat(),
      shuffle: fc.constantFrom('full' as const, 'none' as const),
      endOfEpoch: fc.constantFrom<EndOfEpoch>('drop', 'pad', 'wrap'),
      perRank: fc.integer({ min: 1, max: 20 }),
      worldSize: fc.integer({ min: 1, max: 8 }),
    })
    .map(({ perRank, worldSize, ...order }) => ({
      order: { ...order, globalBatchSize: perRank * worldSize },
      worldSize,
    }));

  const idsOf = (order: Order, worldSize: number, numEpochs: number): { ids: number[]; valid: number[] } => {
    const planner = createBatchPlanner(order);
    const ids: number[] = [];
    const valid: number[] = [];
    for (let epoch = 0; epoch < numEpochs; epoch++) {
      for (let step = 0; step < planner.numSteps(epoch); step++) {
        for (let rank = 0; rank < worldSize; rank++) {
          const plan = planner.plan({ epoch, step }, { rank, worldSize });
          ids.push(...plan.ids);
          valid.push(...plan.isValid);
        }
      }
    }
    return { ids, valid };
  };

  it('visits every sample exactly once an epoch, as its policy says', () => {
    fc.assert(
      fc.property(orders, ({ order, worldSize }) => {
        const { ids, valid } = idsOf(order, worldSize, 1);
        const served = ids.filter((_, i) => valid[i] === 1);
        const distinct = new Set(served);
        if (order.endOfEpoch === 'wrap') {
          // The last batch may reach into the next epoch: the first numSamples are the epoch.
          assert.equal(new Set(served.slice(0, order.numSamples)).size, Math.min(order.numSamples, served.length));
          assert.ok(served.length >= order.numSamples);
        } else {
          assert.equal(distinct.size, served.length);
          const all =
            order.endOfEpoch === 'pad'
              ? order.numSamples
              : order.numSamples - (order.numSamples % order.globalBatchSize);
          assert.equal(served.length, all);
        }
      }),
    );
  });

  it('gives the same global batches to a world of any size', () => {
    fc.assert(
      fc.property(orders, ({ order, worldSize }) => {
        assert.deepEqual(idsOf(order, worldSize, 2), idsOf(order, 1, 2));
      }),
    );
  });

  it('with wrap is one sequence of epochs without a gap', () => {
    fc.assert(
      fc.property(orders, ({ order }) => {
        const wrap = { ...order, endOfEpoch: 'wrap' as const };
        const numEpochs = 4;
        const { ids } = idsOf(wrap, 1, numEpochs);
        for (let epoch = 0; epoch < numEpochs - 1; epoch++) {
          const begin = epoch * order.numSamples;
          assert.equal(new Set(ids.slice(begin, begin + order.numSamples)).size, order.numSamples);
        }
      }),
    );
  });

  it('refuses a step past the end and a world that does not divide the batch', () => {
    const planner = createBatchPlanner({
      numSamples: 10,
      seed: 0,
      shuffle: 'full',
      endOfEpoch: 'drop',
      globalBatchSize: 4,
    });
    assert.throws(
      () => planner.plan({ epoch: 0, step: 2 }, { rank: 0, worldSize: 1 }),
      /expected step to be of \[0, 2\)/,
    );
    assert.throws(() => planner.plan({ epoch: 0, step: 0 }, { rank: 0, worldSize: 3 }), /worldSize to divide/);
    assert.throws(() => planner.plan({ epoch: 0, step: 0 }, { rank: 2, worldSize: 2 }), /rank 2 of 2/);
  });
});
