import assert from 'node:assert/strict';
import { DEFAULT_REJECT_LIMIT, RejectCounter, type RejectLimit } from '../../../workers/reject-limit.js';

describe('RejectCounter', () => {
  const cases: [string, number, RejectLimit, number][] = [
    ['ten of a small split by default', 2_000, DEFAULT_REJECT_LIMIT, 10],
    ['0.1 % of a large one', 1_281_167, DEFAULT_REJECT_LIMIT, 1_281],
    ['a share', 1_000, { share: 0.05, atLeast: 0 }, 50],
    ['none', 1_000, { share: 0, atLeast: 0 }, 0],
    ['all but one at most', 3, DEFAULT_REJECT_LIMIT, 2],
  ];
  for (const [what, numRecords, limit, allowed] of cases) {
    it(`allows ${what}`, () => {
      const counter = new RejectCounter(numRecords, limit);
      const reject = (i: number): void => counter.add({ archive: 'a.tar', key: `k${i}`, reason: `reason ${i}` });
      for (let i = 0; i < allowed; i++) reject(i);
      assert.throws(() => reject(allowed), { code: 'ERR_TOO_MANY_REJECTED', message: /k0: reason 0/ });
    });
  }

  it('says that nothing is left where the limit would allow more', () => {
    const counter = new RejectCounter(1, DEFAULT_REJECT_LIMIT);
    assert.throws(() => counter.add({ archive: 'a.tar', key: 'k0', reason: 'bad' }), {
      message:
        /^1 of 1 images cannot be used, so that nothing is left:\n {2}k0: bad\ncheck the archive and the label list$/,
    });
  });

  it('counts a record once, however often its shard is begun again', () => {
    const counter = new RejectCounter(100, { share: 0, atLeast: 1 });
    for (let i = 0; i < 5; i++) counter.add({ archive: 'a.tar', key: 'same', reason: 'bad' });
  });
});
