/** How many samples each class has, from what the shards are known to hold: no record is read. */
import type { ShardRecord } from '../lib/shards/shard-record.js';
import type { SplitPlan } from './plan.js';

/**
 * Samples by label, as long as the split's classes; undefined when some label is none of them. `records` are the shards', in
 * order.
 */
export function countClasses(plan: SplitPlan, folder: string, records: readonly ShardRecord[]): number[] | undefined {
  const counts = plan.source.classes.map(() => 0);
  for (const [shard, { rejected }] of records.entries()) {
    const { keys, labels } = plan.taskOf(shard, folder);
    const isRejected = new Set(rejected.map(({ key }) => key));
    for (const [position, label] of labels.entries()) {
      if (isRejected.has(keys[position])) continue;
      if (label < 0 || label >= counts.length) return undefined;
      counts[label]++;
    }
  }
  return counts;
}
