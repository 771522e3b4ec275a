import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ByteRanges } from '../../../../services/downloader/byte-ranges.js';
import { SegmentPlan, type Segment } from '../../../../services/downloader/segment-plan.js';

const MIB = 1 << 20;

describe('the plan of segments', () => {
  const received = new ByteRanges([
    [0, 10],
    [30, 40],
  ]);

  it('gives gaps away from the front on, each once, no larger than asked for', () => {
    const plan = new SegmentPlan(received);
    const claimed = [plan.claim(50, 15), plan.claim(50, 15), plan.claim(50, 15), plan.claim(50, 15)];
    assert.deepEqual(
      claimed.map((segment) => segment && [segment.begin, segment.end]),
      [[10, 25], [25, 30], [40, 50], undefined],
    );
    assert.equal(plan.nextBegin(50), undefined);
  });

  it('goes to the end of the world when nobody knows the length', () => {
    const segment = new SegmentPlan(new ByteRanges([[0, 7]])).claim(Infinity, Infinity);
    assert.deepEqual([segment?.position, segment?.end], [7, Infinity]);
  });

  it('gives what was not received of a segment that was given back to the next', () => {
    const ranges = new ByteRanges();
    const plan = new SegmentPlan(ranges);
    const segment = plan.claim(100, 100)!;
    ranges.add(0, 60);
    plan.release(segment);
    const next = plan.claim(100, 100);
    assert.deepEqual([next?.begin, next?.end], [60, 100]);
  });

  it('lets one who has nothing take half of what the slowest has left', () => {
    const plan = new SegmentPlan(new ByteRanges());
    const fast = plan.claim(80 * MIB, 40 * MIB)!;
    const slow = plan.claim(80 * MIB, 40 * MIB)!;
    // Both began an hour ago: a pace that makes either worth helping.
    for (const segment of [fast, slow]) segment.begunAtMs = performance.now() - 3_600_000;
    fast.position += 30 * MIB;
    slow.position += 10 * MIB;
    const stolen = plan.steal()!;
    assert.deepEqual([slow.end, stolen.begin, stolen.end], [65 * MIB, 65 * MIB, 80 * MIB]);
    assert.equal(fast.end, 40 * MIB);
  });

  it('lets one take nearly all of what is much slower than usual, however little that is', () => {
    const plan = new SegmentPlan(new ByteRanges());
    const usual = plan.claim(8 * MIB, 4 * MIB)!;
    const slow = plan.claim(8 * MIB, MIB)!;
    for (const segment of [usual, slow]) segment.begunAtMs = performance.now() - 10_000;
    usual.position += 4 * MIB;
    plan.release(usual);
    slow.position += 10_000;
    const stolen = plan.steal()!;
    assert.equal(stolen.end, 5 * MIB);
    assert.ok(stolen.begin >= slow.position && stolen.begin < slow.position + 10_000, `${stolen.begin}`);
    assert.equal(slow.end, stolen.begin);
  });

  it('takes half of one that nothing has come of, which may only be late', () => {
    const plan = new SegmentPlan(new ByteRanges());
    const usual = plan.claim(12 * MIB, 4 * MIB)!;
    const late = plan.claim(12 * MIB, 8 * MIB)!;
    for (const segment of [usual, late]) segment.begunAtMs = performance.now() - 10_000;
    usual.position += 4 * MIB;
    plan.release(usual);
    const stolen = plan.steal()!;
    assert.ok(Math.abs(stolen.begin - 8 * MIB) <= 1, `${stolen.begin}`);
    assert.equal(late.end, stolen.begin);
  });

  it('takes nothing from one that is nearly done', () => {
    const plan = new SegmentPlan(new ByteRanges());
    const segment = plan.claim(MIB, MIB)!;
    segment.begunAtMs = performance.now() - 1_000;
    segment.position += 0.9 * MIB;
    assert.equal(plan.steal(), undefined);
  });

  it('takes nothing from one that has hardly begun, whose pace nobody knows', () => {
    const plan = new SegmentPlan(new ByteRanges());
    plan.claim(80 * MIB, 40 * MIB);
    assert.equal(plan.steal(), undefined);
  });

  it('never gives a byte to two, and gives every byte in the end, whoever claims, steals and gives back', () => {
    const size = 64 * MIB;
    const move = fc.record({
      what: fc.constantFrom('claim', 'steal', 'give back'),
      who: fc.nat(7),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
        const ranges = new ByteRanges();
        const plan = new SegmentPlan(ranges);
        const active: Segment[] = [];
        const giveBack = (segment: Segment, share: number): void => {
          segment.position += Math.floor((segment.end - segment.position) * share);
          ranges.add(segment.begin, segment.position);
          plan.release(segment);
          active.splice(active.indexOf(segment), 1);
        };
        for (const { what, who, share } of moves) {
          if (what === 'give back') {
            if (active.length > 0) giveBack(active[who % active.length], share);
            continue;
          }
          for (const segment of active) segment.begunAtMs = performance.now() - 1e9;
          const taken = what === 'claim' ? plan.claim(size, 8 * MIB) : plan.steal();
          if (taken !== undefined) active.push(taken);
          const inOrder = active.toSorted((a, b) => a.begin - b.begin);
          for (let i = 1; i < inOrder.length; i++) assert.ok(inOrder[i - 1].end <= inOrder[i].begin);
          for (const { begin, end } of active.filter((segment) => segment.begin < segment.end))
            assert.deepEqual(new ByteRanges([...ranges.toArray()]).gaps(end).at(-1)?.[1], end, `${begin}`);
        }
        for (const segment of [...active]) giveBack(segment, 1);
        for (let next = plan.claim(size, 8 * MIB); next !== undefined; next = plan.claim(size, 8 * MIB))
          giveBack(next, 1);
        assert.deepEqual(ranges.toArray(), [[0, size]]);
      }),
      { numRuns: 60 },
    );
  });
});
