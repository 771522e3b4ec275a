/** Sending frames over one call, at the pace at which they leave. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import { InterruptedError } from '../../lib/core/errors.js';
import type { StreamBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import type { Frame } from './assembly/frame-line.js';

/** Frames handed to the wire and not yet taken by it: enough to keep it busy, few enough that a slow trainer costs little. */
const MAX_FRAMES_IN_FLIGHT = 4;

/** Paces by write callbacks: `call.write` itself would take sixteen frames, whatever their size, before it says no. */
export interface Wire {
  /** Takes a frame, releases it when it has left, and resolves when there is room for another. Throws InterruptedError when the client is gone. */
  send(frame: Frame): Promise<void>;
  /** `promise`, but rejects with InterruptedError as soon as the client is gone. */
  unlessGone<T>(promise: Promise<T>): Promise<T>;
  /** Resolves when no frame is in flight any more, or the client is gone. */
  settle(): Promise<void>;
}

/** @param onWait told how many milliseconds a frame waited for the wire */
export function createWire(
  call: ServerWritableStream<StreamBatchesRequest, Buffer>,
  onWait: (waitedMs: number) => void,
): Wire {
  let numInFlight = 0;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  const gone = new Promise<never>((_, reject) => {
    call.once('cancelled', () => {
      notify();
      reject(new InterruptedError('the client is gone'));
    });
  });
  gone.catch(() => undefined);

  const waitUntil = async (maxInFlight: number): Promise<void> => {
    while (numInFlight > maxInFlight && !call.cancelled) {
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };

  return {
    async send(frame) {
      numInFlight++;
      call.write(frame.message, () => {
        numInFlight--;
        frame.release();
        notify();
      });
      const beganAtMs = performance.now();
      await waitUntil(MAX_FRAMES_IN_FLIGHT - 1);
      onWait(performance.now() - beganAtMs);
      if (call.cancelled) throw new InterruptedError('the client is gone');
    },
    unlessGone: (promise) => Promise.race([promise, gone]),
    settle: () => waitUntil(0),
  };
}
