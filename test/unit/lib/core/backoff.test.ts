import assert from 'node:assert/strict';
import fc from 'fast-check';
import { backoffMs } from '../../../../lib/core/backoff.js';

describe('back-off', () => {
  it('doubles its bound from try to try up to the most, and draws below it', () => {
    const bounds = [0, 1, 2, 10, 1000].map((attempt) =>
      backoffMs(attempt, { baseMs: 100, maxMs: 1000, random: () => 0.999_999 }),
    );
    assert.deepEqual(bounds, [99, 199, 399, 999, 999]);
  });

  it('is a whole number of milliseconds of [0, most)', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, draw) => {
        const ms = backoffMs(attempt, { random: () => draw });
        assert.ok(Number.isInteger(ms) && ms >= 0 && ms < 30_000);
      }),
    );
  });
});
