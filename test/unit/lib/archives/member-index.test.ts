import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MemberIndex } from '../../../../lib/archives/member-index.js';

describe('MemberIndex', () => {
  const members = fc.array(fc.tuple(fc.string({ maxLength: 6 }), fc.nat(), fc.nat()), { maxLength: 300 });

  it('holds what a Map would, in order of first appearance, also once packed and unpacked', () => {
    fc.assert(
      fc.property(members, (list) => {
        const built = new MemberIndex();
        const expected = new Map<string, [number, number]>();
        for (const [name, offset, size] of list) {
          // Names pass through UTF-8, where a lone surrogate has no place.
          const clean = Buffer.from(name).toString();
          built.set(clean, offset, size);
          expected.set(clean, [offset, size]);
        }
        for (const index of [built, MemberIndex.unpack(built.pack())]) {
          const found = Array.from({ length: index.numMembers }, (_, i) => [
            index.name(i),
            [index.offset(i), index.size(i)],
          ]);
          assert.deepEqual(found, [...expected]);
          for (const [i, name] of [...expected.keys()].entries()) assert.equal(index.find(name), i);
          assert.equal(index.find('a name that is not there'), undefined);
        }
      }),
    );
  });

  it('grows to many members', () => {
    const index = new MemberIndex();
    for (let i = 0; i < 100_000; i++) index.set(`n${i % 1000}/n${i % 1000}_${i}.JPEG`, i * 512, i);
    assert.equal(index.numMembers, 100_000);
    assert.equal(index.find('n8/n7_77007.JPEG'), undefined);
    assert.equal(index.find('n7/n7_99007.JPEG'), 99_007);
    assert.equal(index.offset(99_007), 99_007 * 512);
  });
});
