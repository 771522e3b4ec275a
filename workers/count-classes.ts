/** The labels of a split's samples, and how many each class has, from what the shards are known to hold: no record is read. */
import type { ShardRecord } from '../lib/shards/shard-record.js';
import type { SplitPlan } from './plan.js';

/** Labels by sample id. `records` are the shards', in order. */
export function labelsOf(plan: SplitPlan, folder: string, records: readonly ShardRecord[]): Int32Array {
  const all: number[] = [];
  for (const [shard, { rejected }] of records.entries()) {
    const { keys, labels } = plan.taskOf(shard, folder);
    const isRejected = new Set(rejected.map(({ key }) => key));
    for (const [position, label] of labels.entries()) {
      if (!isRejected.has(keys[position])) all.push(label);
    }
  }
  return Int32Array.from(all);
}

/** Samples by label, `numClasses` of them; undefined when some label is none of these. */
export function countClasses(labels: Int32Array, numClasses: number): number[] | undefined {
  const counts = new Array<number>(numClasses).fill(0);
  for (const label of labels) {
    if (label < 0 || label >= numClasses) return undefined;
    counts[label]++;
  }
  return counts;
}
