import assert from 'node:assert/strict';
import { mapInOrder } from '../../../workers/map-in-order.js';

describe('mapInOrder', () => {
  it('yields in order whatever order the results come in, with no more under way than allowed', async () => {
    let underWay = 0;
    let most = 0;
    const seen: number[] = [];
    const results = mapInOrder(20, 3, async (i) => {
      most = Math.max(most, ++underWay);
      // Of three neighbours the last begun is done first.
      for (let turn = i % 3; turn < 3; turn++) await new Promise(setImmediate);
      underWay--;
      return i;
    });
    for await (const result of results) seen.push(result);
    assert.deepEqual(
      seen,
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.equal(most, 3);
  });

  it('throws a failure when its turn comes, and begins nothing more', async () => {
    const begun: number[] = [];
    const seen: number[] = [];
    const results = mapInOrder(10, 2, (i) => {
      begun.push(i);
      return i === 1 ? Promise.reject(new Error('one')) : Promise.resolve(i);
    });
    await assert.rejects(async () => {
      for await (const result of results) seen.push(result);
    }, /one/);
    assert.deepEqual(seen, [0]);
    assert.deepEqual(begun, [0, 1, 2]);
  });
});
