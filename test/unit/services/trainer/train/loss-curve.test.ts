import assert from 'node:assert/strict';
import { drawCurve } from '../../../../../services/trainer/train/loss-curve.js';

describe('a curve for the terminal', () => {
  it('falls from the upper left to the lower right with the loss', () => {
    const curve = drawCurve([4, 3, 2, 1], { width: 10, height: 4 });
    assert.equal(curve, ['   4.000 ┤•', '         ┤ •', '         ┤  •', '   1.000 ┤   •'].join('\n'));
  });

  it('shows means where there are more values than columns', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 10 : 0));
    assert.equal(drawCurve(values, { width: 5 }), '   5.000 ┤•••••');
  });

  it('is nothing for no values', () => {
    assert.equal(drawCurve([]), '');
  });
});
