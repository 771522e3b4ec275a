import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemberIndex } from '../../../lib/archives/member-index.js';
import { parseList } from '../../../lib/core/image-list.js';
import { defaultShardSamples, planSplit, type PlanOptions } from '../../../workers/plan.js';
import type { SplitSource } from '../../../workers/split-source.js';
import type { ConvertTask } from '../../../workers/task.js';

function sourceOf(names: readonly string[], list: string | undefined, prefix = ''): SplitSource {
  const index = new MemberIndex();
  names.forEach((name, i) => index.set(name, (i + 1) * 1024, 100 + i));
  return {
    entry: {
      archive: 'a.tar',
      layout: 'flat',
      prefix,
      labels: list === undefined ? { from: 'folder' } : { from: 'list', list: { archive: 'l.txt' } },
    },
    archive: { membersPath: '/a.tar', isFolder: false, index },
    list: list === undefined ? undefined : parseList(list),
    classes: list === undefined ? ['cat', 'dog'].map((id) => ({ id, name: id })) : [],
    files: [{ file: 'a.tar', bytes: 1, md5: '0'.repeat(32) }],
  };
}

const CAFFE = { resize: 'caffe', fit: 'exact', record: 'raw' } as const;

function tasksOf(source: SplitSource, options: PlanOptions): ConvertTask[] {
  const plan = planSplit(source, options);
  return Array.from({ length: plan.numShards }, (_, shard) => plan.taskOf(shard, '/split'));
}

describe('planSplit', () => {
  const listed = sourceOf(['a.jpg', 'b c.jpg', 'd.jpg'], 'd.jpg 7\nmissing.jpg 1\nb c.jpg -2\nd.jpg 9\n');

  it('follows the list: order, labels, spaced and doubled names, and a gap for what is missing', () => {
    const [task] = tasksOf(listed, { ...CAFFE, size: 8, shuffleSeed: null });
    assert.deepEqual(task.keys, ['00000000_d.jpg', '00000001_missing.jpg', '00000002_b c.jpg', '00000003_d.jpg']);
    assert.deepEqual([...task.labels], [7, 1, -2, 9]);
    assert.deepEqual([...task.offsets], [3072, Number.NaN, 2048, 3072]);
    assert.deepEqual([...task.sizes], [102, 0, 101, 102]);
  });

  it('takes labels from folders below the prefix, leaving out what is hidden or lies in none', () => {
    const names = ['s/train/dog/1.jpg', 's/val/cat/9.jpg', 's/train/cat/2.jpg', 's/train/cat/._2.jpg', 's/train/x.csv'];
    const [task] = tasksOf(sourceOf(names, undefined, 's/train/'), { ...CAFFE, size: 8, shuffleSeed: null });
    assert.deepEqual(task.keys, ['00000000_dog/1.jpg', '00000001_cat/2.jpg']);
    assert.deepEqual([...task.labels], [1, 0]);
  });

  it('refuses a folder that is not among the classes, and a split without images', () => {
    const options = { ...CAFFE, size: 8, shuffleSeed: null };
    assert.throws(() => planSplit(sourceOf(['bird/1.jpg'], undefined), options), {
      code: 'ERR_VERIFICATION',
      message: /bird/,
    });
    assert.throws(() => planSplit(sourceOf(['cat/1.jpg'], ''), options), { code: 'ERR_NOT_FOUND' });
  });

  it('holds every record once, whatever the seed and the cut', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(),
        (count, shardSamples, seed) => {
          const names = Array.from({ length: count }, (_, i) => `cat/${i}.jpg`);
          const tasks = tasksOf(sourceOf(names, undefined), { ...CAFFE, size: 8, shuffleSeed: seed, shardSamples });
          const keys = tasks.flatMap((task) => task.keys);
          assert.deepEqual(keys, keys.toSorted());
          assert.deepEqual(keys.map((key) => key.slice(9)).sort(), names.toSorted());
          assert.ok(tasks.slice(0, -1).every((task) => task.keys.length === shardSamples));
        },
      ),
    );
  });

  it('gives a task another digest when any of its records or options changes, and the same one otherwise', () => {
    const digest = (source: SplitSource, options: PlanOptions): string => tasksOf(source, options)[0].taskDigest;
    const base = { ...CAFFE, size: 8, shuffleSeed: 3 };
    const same = digest(listed, base);
    const folderAt = (prefix: string): SplitSource => {
      const source = sourceOf([`${prefix}d.jpg`], 'd.jpg 7\n', prefix);
      return { ...source, archive: { ...source.archive, isFolder: true } };
    };
    assert.equal(digest(listed, { ...base }), same);
    const others = [
      digest(listed, { ...base, size: 9 }),
      digest(listed, { ...base, resize: 'area' }),
      digest(listed, { ...base, fit: 'cover' }),
      digest(listed, { ...base, record: 'jpeg', quality: 95 }),
      digest(listed, { ...base, record: 'jpeg', quality: 90 }),
      digest(listed, { ...base, shuffleSeed: null }),
      digest(listed, { ...base, shardSamples: 2 }),
      digest({ ...listed, files: [{ ...listed.files[0], md5: '1'.repeat(32) }] }, base),
      digest({ ...listed, entry: { ...listed.entry, archive: 'renamed.tar' } }, base),
      digest(folderAt('one/'), base),
      digest(folderAt('another/'), base),
      digest({ ...listed, list: parseList('d.jpg 7\nmissing.jpg 1\nb c.jpg -2\nd.jpg 8\n') }, base),
    ];
    assert.equal(new Set([same, ...others]).size, 1 + others.length);
  });
});

describe('defaultShardSamples', () => {
  it('is about 1 GB for a large split, an eighth of a small one, and never crumbs', () => {
    assert.equal(defaultShardSamples(1_281_167, 200_704), 4_982);
    assert.equal(defaultShardSamples(2_000, 16_384), 250);
    assert.equal(defaultShardSamples(100, 200_704), 64);
    assert.equal(defaultShardSamples(100, 201_330_688), 4);
  });
});
