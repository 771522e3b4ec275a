import assert from 'node:assert/strict';
import { bindingStage, stageSharesOf, startStageClock } from '../../../workers/stage-times.js';

describe('stage times', () => {
  it('give all time that passes to one stage each', () => {
    let nowMs = 1000;
    const clock = startStageClock(() => nowMs);
    for (const [stage, ms] of [
      ['read', 3],
      ['decode', 20],
      ['write', 2],
      ['decode', 5],
    ] as const) {
      nowMs += ms;
      clock.lap(stage);
    }
    assert.deepEqual(clock.times, { read: 3, decode: 25, write: 2 });
  });

  it('become shares of the time of all workers, of which the largest binds', () => {
    const shares = stageSharesOf([
      { read: 10, decode: 20, write: 30 },
      { read: 50, decode: 60, write: 30 },
    ]);
    assert.deepEqual(shares, { read: 0.3, decode: 0.4, write: 0.3 });
    assert.equal(bindingStage({ read: 0.3, decode: 0.4, write: 0.3 }), 'decode');
    assert.equal(bindingStage({ read: 0.1, decode: 0.1, write: 0.8 }), 'write');
  });

  it('have no shares when nothing was converted', () => {
    assert.equal(stageSharesOf([]), undefined);
  });
});
