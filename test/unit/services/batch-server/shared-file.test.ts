import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { FrameMemory } from '../../../../services/batch-server/assembly/frame-memory.js';
import { FrameStore } from '../../../../services/batch-server/assembly/frame-store.js';
import type { FrameRequest } from '../../../../services/batch-server/assembly/messages.js';

const REQUEST: FrameRequest = {
  ...{ epoch: 0, step: 0, firstSample: 0, batchSize: 1, isLastStep: false, epochDigest: '' },
  ...{ ids: [0], epochs: [0], isValid: [1] },
};

describe('shared memory of frames', function () {
  if (process.platform !== 'linux') return;

  it('is what another process finds in its file, after the nonce, and keeps nothing once it is closed', () => {
    const { memory, file } = new FrameMemory(1 << 20, true);
    assert.ok(file !== undefined);
    assert.equal(file.numBytes, memory.buffer.byteLength);
    Buffer.from(memory.buffer).write('pixels', 70_000);
    const seen = execFileSync('tail', ['-c', '+70001', file.path]);
    assert.equal(String(seen.subarray(0, 6)), 'pixels');
    assert.deepEqual(readFileSync(file.path).subarray(0, file.nonce.length), file.nonce);
    file.close();
    assert.ok(!existsSync(file.path));
    // The memory outlives it.
    assert.equal(Buffer.from(memory.buffer).toString('latin1', 70_000, 70_006), 'pixels');
  });

  it('is not shared unless that is asked for', () => {
    assert.equal(new FrameMemory(1 << 20).file, undefined);
  });

  it('spoils the header of a frame before its memory is given to another', () => {
    const memory = new FrameMemory(1 << 20);
    const store = new FrameStore(memory);
    const user = { heldBytes: 0 };
    const frame = store.want(user, 1, REQUEST, 4096);
    assert.ok(store.begin(frame) && frame.extent !== undefined);
    const bytes = Buffer.from(memory.memory.buffer, frame.extent.begin, 4096).fill(7);
    store.finish(frame, { jobId: 0, begin: 100, end: 4096, seconds: 1, readSeconds: 0 });
    store.leave(user, frame);
    // Kept for others: as it was.
    assert.equal(bytes[105], 7);
    store.forget(1);
    assert.equal(bytes[105], 0);
  });
});
