import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { InterruptedError } from '../../../../lib/core/errors.js';
import { createWire, type FrameCall, type Wire } from '../../../../services/batch-server/wire.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('what is awaited unless the client is gone', () => {
  let call: EventEmitter & { cancelled: boolean };
  let wire: Wire;
  beforeEach(() => {
    call = Object.assign(new EventEmitter(), { cancelled: false });
    wire = createWire(
      call as unknown as FrameCall,
      () => undefined,
      () => undefined,
    );
  });
  const leave = (): void => {
    call.cancelled = true;
    call.emit('cancelled');
  };

  it('comes, or fails, as it would', async () => {
    assert.equal(await wire.unlessGone(Promise.resolve(7)), 7);
    await assert.rejects(wire.unlessGone(Promise.reject(new RangeError('no'))), RangeError);
  });

  it('is given up when the client leaves, or has left', async () => {
    const waiting = assert.rejects(wire.unlessGone(new Promise(() => undefined)), InterruptedError);
    leave();
    await waiting;
    await assert.rejects(wire.unlessGone(new Promise(() => undefined)), InterruptedError);
  });

  it('is not kept as long as the call', async () => {
    const awaited = await (async () => new WeakRef(await wire.unlessGone(Promise.resolve({}))))();
    // A turn of the event loop ends the reference's own hold on it.
    await setImmediate();
    collectGarbage();
    assert.equal(awaited.deref(), undefined);
    leave();
  });
});
