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

/**
 * Samples by label, as long as the split's classes; undefined when some label is none of them. `records` are the shards', in
 * order.
 */
export function countClasses(plan: SplitPlan, folder: string, records: readonly ShardRecord[]): number[] | undefined {
  const counts = plan.source.classes.map(() => 0);
  for (const label of labelsOf(plan, folder, records)) {
    if (label < 0 || label >= counts.length) return undefined;
    counts[label]++;
  }
  return counts;
}
