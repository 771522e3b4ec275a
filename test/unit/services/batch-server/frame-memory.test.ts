import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FrameMemory, type Extent } from '../../../../services/batch-server/assembly/frame-memory.js';

describe('FrameMemory', () => {
  it('gives out parts that never overlap, and is whole again when all are back', () => {
    const steps = fc.array(fc.record({ numBytes: fc.integer({ min: 1, max: 300_000 }), drop: fc.nat() }), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(steps, (given) => {
        const memory = new FrameMemory(1 << 20);
        const whole = memory.freeBytes;
        const held: Extent[] = [];
        const drop = (index: number): void => memory.release(held.splice(index, 1)[0]);
        for (const step of given) {
          const extent = memory.allocate(step.numBytes);
          if (extent !== undefined) {
            assert.ok(extent.numBytes >= step.numBytes && extent.begin > 0);
            assert.ok(extent.begin + extent.numBytes <= memory.numBytes);
            for (const other of held) {
              assert.ok(extent.begin + extent.numBytes <= other.begin || other.begin + other.numBytes <= extent.begin);
            }
            held.push(extent);
          }
          if (held.length > 0 && step.drop % 3 === 0) drop(step.drop % held.length);
          assert.equal(memory.freeBytes, whole - held.reduce((sum, { numBytes }) => sum + numBytes, 0));
        }
        while (held.length > 0) drop(0);
        assert.equal(memory.allocate(whole)?.numBytes, whole);
      }),
    );
  });
});
