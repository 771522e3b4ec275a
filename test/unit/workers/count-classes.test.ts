import assert from 'node:assert/strict';
import { MemberIndex } from '../../../lib/archives/member-index.js';
import { parseList } from '../../../lib/core/image-list.js';
import type { ShardRecord } from '../../../lib/shards/shard-record.js';
import { countClasses, labelsOf } from '../../../workers/count-classes.js';
import { planSplit, type SplitPlan } from '../../../workers/plan.js';

function planOf(list: string): SplitPlan {
  const source = {
    entry: {
      archive: 'a.tar',
      layout: 'flat',
      prefix: '',
      labels: { from: 'list', list: { archive: 'l.txt' } },
    } as const,
    archive: { membersPath: '/a.tar', isFolder: false, index: new MemberIndex() },
    list: parseList(list),
    classes: ['cat', 'dog', 'eel'].map((id) => ({ id, name: id })),
    files: [{ file: 'a.tar', bytes: 1, md5: '0'.repeat(32) }],
  };
  return planSplit(source, {
    size: 8,
    resize: 'caffe',
    fit: 'exact',
    record: 'raw',
    shuffleSeed: null,
    shardSamples: 2,
  });
}

function shardWithout(...keys: readonly string[]): ShardRecord {
  return {
    numSamples: 2 - keys.length,
    bytes: 1,
    contentDigest: '0'.repeat(64),
    taskDigest: '0'.repeat(64),
    rejected: keys.map((key) => ({ archive: 'a.tar', key, reason: 'bad' })),
  };
}

describe('countClasses', () => {
  const list = 'a.jpg 1\nb.jpg 0\nc.jpg 1\na.jpg 1\n';
  const count = (plan: SplitPlan, records: readonly ShardRecord[]): number[] | undefined =>
    countClasses(labelsOf(plan, '/s', records), plan.source.classes.length);

  it('counts what the shards hold, not what they leave out, one by one', () => {
    assert.deepEqual(count(planOf(list), [shardWithout(), shardWithout()]), [1, 3, 0]);
    const records = [shardWithout('00000001_b.jpg'), shardWithout('00000003_a.jpg')];
    assert.deepEqual(count(planOf(list), records), [0, 2, 0]);
  });

  for (const label of [-1, 3]) {
    it(`does not count when label ${label} is none of three classes`, () => {
      const plan = planOf(`${list}d.jpg ${label}\n`);
      assert.equal(count(plan, [shardWithout(), shardWithout(), shardWithout()]), undefined);
    });
  }
});
