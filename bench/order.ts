/** What an order costs, position by position, and how well it shuffles: at ImageNet's size and at a thousand million. */
import { createSequence, type Selection } from '../lib/core/selection.js';
import type { Shuffle } from '../lib/core/arrangement.js';
import type { Sequence } from '../lib/core/sequence.js';
import { median, publish } from './report.js';

const NUM_RUNS = 7;
const NUM_CLASSES = 1_000;
const BATCH_SIZE = 256;
const SEED = 1;

interface OrderCase {
  readonly name: string;
  readonly shuffle: Shuffle;
  readonly selection: Selection;
}

/** Ten million at most: an order over a list of ids holds the list, and that is what the memory column is about. */
const MAX_LISTED = 10_000_000;

/** @param numCalls calls of each run */
export function benchOrder(numCalls = 200_000): void {
  const rows = [1_281_167, 1_000_000_000].flatMap((numSamples) =>
    casesOf(numSamples).map(({ name, shuffle, selection }) => {
      const sequence = createSequence(selection, { seed: SEED, shuffle });
      const floor: number[] = [];
      const cost: number[] = [];
      let sink = 0;
      for (let run = 0; run < NUM_RUNS; run++) {
        floor.push(nanosecondsPerCall(numCalls, (i) => (sink += i % numSamples)));
        cost.push(
          nanosecondsPerCall(numCalls, (i) => (sink += sequence.at(1, (run * numCalls + i) % sequence.length).id)),
        );
      }
      if (sink === 0) throw new Error('the loops were left out');
      const [own, loop] = [median(cost), median(floor)];
      return [
        numSamples.toLocaleString('en-US'),
        name,
        own.toFixed(0),
        loop.toFixed(1),
        // Of one core, at the 10,000 images a second that an AlexNet takes.
        `${((own * 10_000) / 1e7).toFixed(2)} %`,
        classesPerBatch(sequence, numSamples).toFixed(1),
        uniformClasses().toFixed(1),
      ];
    }),
  );
  publish({
    name: 'order',
    title: 'The order: CPU time of one position, and classes per batch',
    notes: [
      `CPU nanoseconds per position, going through them in order, median of ${NUM_RUNS} alternating runs of ` +
        `${numCalls.toLocaleString('en-US')}; beside it the bare loop, and the share of a core at 10,000 images/s. ` +
        `Classes per batch: distinct ones among ${BATCH_SIZE} samples, mean of 400 batches, of ${NUM_CLASSES} classes that are stored ` +
        'one after the other (the worst case for blocks; prepare shuffles what it stores); beside it what uniform draws hold. ' +
        'Blocks are 64 samples in windows of 128. Lists of ids are the law’s only memory: at a thousand million they are left out.',
    ],
    columns: ['samples', 'order', 'ns', 'loop ns', 'core share', 'classes per batch', 'uniform'],
    rows,
  });
}

function casesOf(numSamples: number): OrderCase[] {
  const all: Selection = { kind: 'range', begin: 0, end: numSamples };
  const half = Math.floor(numSamples / 2);
  const mix: Selection = {
    kind: 'mix',
    parts: [
      { weight: 3, of: { kind: 'range', begin: 0, end: half } },
      { weight: 1, of: { kind: 'range', begin: half, end: numSamples } },
    ],
  };
  const balanced: Selection = {
    kind: 'mix',
    parts: Array.from({ length: NUM_CLASSES }, (_, label) => ({
      weight: 1,
      of: { kind: 'range', begin: firstOf(label, numSamples), end: firstOf(label + 1, numSamples) } as const,
    })),
  };
  const cases: OrderCase[] = [
    { name: 'none', shuffle: 'none', selection: all },
    { name: 'full', shuffle: 'full', selection: all },
    { name: 'blocks', shuffle: 'blocks', selection: all },
    { name: 'two parts, 3 : 1', shuffle: 'full', selection: mix },
    { name: '1,000 classes, balanced', shuffle: 'full', selection: balanced },
  ];
  if (numSamples <= MAX_LISTED) {
    const ids = Uint32Array.from({ length: half }, (_, i) => 2 * i);
    cases.push({ name: 'every other id', shuffle: 'full', selection: { kind: 'list', ids } });
  }
  return cases;
}

function firstOf(label: number, numSamples: number): number {
  return Math.floor((label * numSamples) / NUM_CLASSES);
}

function classesPerBatch(sequence: Sequence, numSamples: number): number {
  const numBatches = 400;
  let sum = 0;
  for (let batch = 0; batch < numBatches; batch++) {
    // Batches from all over the epoch.
    const begin = Math.floor((batch * (sequence.length - BATCH_SIZE)) / numBatches);
    const classes = new Set<number>();
    for (let i = 0; i < BATCH_SIZE; i++) {
      classes.add(Math.floor((sequence.at(1, begin + i).id * NUM_CLASSES) / numSamples));
    }
    sum += classes.size;
  }
  return sum / numBatches;
}

/** Expected number of distinct classes among uniform draws. */
function uniformClasses(): number {
  return NUM_CLASSES * (1 - (1 - 1 / NUM_CLASSES) ** BATCH_SIZE);
}

function nanosecondsPerCall(numCalls: number, call: (i: number) => void): number {
  const before = process.cpuUsage();
  for (let i = 0; i < numCalls; i++) call(i);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / numCalls;
}
