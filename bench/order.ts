/** What the shuffle costs: a position's sample id, at ImageNet's size and at a thousand million. */
import { createPermutation } from '../lib/core/permutation.js';
import { median, publish } from './report.js';

const NUM_CALLS = 500_000;
const NUM_RUNS = 7;

export function benchOrder(): void {
  const rows = [1_281_167, 1_000_000_000].map((numSamples) => {
    const permutation = createPermutation({ numSamples, seed: 1, epoch: 1 });
    const inOrder: number[] = [];
    const loop: number[] = [];
    let sink = 0;
    for (let run = 0; run < NUM_RUNS; run++) {
      loop.push(nanosecondsPerCall((i) => (sink += i % numSamples)));
      inOrder.push(nanosecondsPerCall((i) => (sink += permutation.at(i))));
    }
    if (sink === 0) throw new Error('the loops were left out');
    return [numSamples.toLocaleString('en-US'), median(inOrder).toFixed(0), median(loop).toFixed(1)];
  });
  publish({
    name: 'order',
    title: 'The order: CPU time of one position',
    notes: ['CPU nanoseconds per call, median of seven alternating runs of 500,000; beside it the bare loop.'],
    columns: ['samples', 'permutation ns', 'loop ns'],
    rows,
  });
}

function nanosecondsPerCall(call: (i: number) => void): number {
  const before = process.cpuUsage();
  for (let i = 0; i < NUM_CALLS; i++) call(i);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / NUM_CALLS;
}
