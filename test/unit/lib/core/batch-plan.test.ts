import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Shuffle } from '../../../../lib/core/arrangement.js';
import { createBatchPlanner, type EndOfEpoch, type Order } from '../../../../lib/core/batch-plan.js';
import { allSamples, createSequence } from '../../../../lib/core/selection.js';
import { selections } from '../../../fixtures/selections.js';

interface Case {
  readonly order: Order;
  readonly worldSize: number;
}

/** Every kind of order, in worlds of 1 to 8. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    selection: selections,
    seed: fc.nat(),
    shuffle: fc.constantFrom<Shuffle>('full', 'none', 'blocks'),
    blocks: fc.record({ blockSamples: fc.integer({ min: 1, max: 40 }), windowBlocks: fc.integer({ min: 1, max: 9 }) }),
    endOfEpoch: fc.constantFrom<EndOfEpoch>('drop', 'pad', 'wrap'),
    numViews: fc.constantFrom(1, 10),
    perRank: fc.integer({ min: 1, max: 20 }),
    worldSize: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ perRank, worldSize, ...order }) => ({
    order: { ...order, globalBatchSize: perRank * worldSize },
    worldSize,
  }));

interface Served {
  readonly ids: number[];
  readonly epochs: number[];
  readonly valid: number[];
}

/** All that the ranks of a world are given from a step on, in the order of the global batches; one entry a sample. */
function serve({ order, worldSize }: Case, numEpochs: number, from = { epoch: 0, step: 0 }): Served {
  const planner = createBatchPlanner(order);
  const served: Served = { ids: [], epochs: [], valid: [] };
  for (let { epoch, step } = from; epoch < numEpochs; epoch++, step = 0) {
    for (; step < planner.numSteps(epoch); step++) {
      for (let rank = 0; rank < worldSize; rank++) {
        const { ids, epochs, isValid, numViews } = planner.plan({ epoch, step }, { rank, worldSize });
        for (let i = 0; i < ids.length; i++) {
          if (i % numViews === 0) {
            served.ids.push(ids[i]);
            served.epochs.push(epochs[i]);
            served.valid.push(isValid[i]);
          } else {
            assert.equal(ids[i], ids[i - 1], 'views of a sample stand side by side');
          }
        }
      }
    }
  }
  return served;
}

/** What an epoch holds when nothing is cut off, in order. */
function wholeEpoch({ selection, ...options }: Order, epoch: number): number[] {
  const sequence = createSequence(selection, options);
  return Array.from({ length: sequence.length }, (_, position) => sequence.at(epoch, position).id);
}

describe('a batch plan', () => {
  it('goes through an epoch as its order and its policy say', () => {
    fc.assert(
      fc.property(cases, ({ order, worldSize }) => {
        const { ids, valid } = serve({ order, worldSize }, 1);
        const epoch = wholeEpoch(order, 0);
        const counted = ids.filter((_, i) => valid[i] === 1);
        const numFull = epoch.length - (epoch.length % order.globalBatchSize);
        switch (order.endOfEpoch) {
          case 'drop':
            assert.deepEqual(counted, epoch.slice(0, numFull));
            break;
          case 'pad':
            assert.deepEqual(counted, epoch);
            // What fills the last batch has been served before.
            assert.ok(ids.every((id) => epoch.includes(id)));
            break;
          case 'wrap':
            assert.deepEqual(counted.slice(0, epoch.length), epoch);
            assert.ok(counted.length < epoch.length + order.globalBatchSize);
            break;
        }
        assert.equal(ids.length % order.globalBatchSize, 0);
      }),
    );
  });

  it('gives the same global batches to a world of any size', () => {
    fc.assert(
      fc.property(cases, ({ order, worldSize }) => {
        assert.deepEqual(serve({ order, worldSize }, 2), serve({ order, worldSize: 1 }, 2));
      }),
    );
  });

  it('resumed at any step gives what the uninterrupted run gives', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ order, worldSize }, at) => {
        const planner = createBatchPlanner(order);
        const before = planner.numSteps(0);
        fc.pre(before + planner.numSteps(1) > 0);
        const runStep = at % (before + planner.numSteps(1));
        const from = runStep < before ? { epoch: 0, step: runStep } : { epoch: 1, step: runStep - before };
        const all = serve({ order, worldSize }, 2);
        const rest = serve({ order, worldSize }, 2, from);
        const begin = runStep * order.globalBatchSize;
        assert.deepEqual(rest, {
          ids: all.ids.slice(begin),
          epochs: all.epochs.slice(begin),
          valid: all.valid.slice(begin),
        });
      }),
      { numRuns: 60 },
    );
  });

  it('with wrap is one sequence of epochs without a gap', () => {
    fc.assert(
      fc.property(cases, ({ order }) => {
        const wrap = { ...order, endOfEpoch: 'wrap' as const };
        const { ids } = serve({ order: wrap, worldSize: 1 }, 3);
        const run = [0, 1, 2, 3].flatMap((epoch) => wholeEpoch(order, epoch)).slice(0, ids.length);
        assert.deepEqual(ids.slice(0, run.length), run);
      }),
    );
  });

  it('refuses a step past the end and a world that does not divide the batch', () => {
    const planner = createBatchPlanner({
      selection: allSamples(10),
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
