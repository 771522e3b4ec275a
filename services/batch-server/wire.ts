/** Sending frames over one call, at the pace at which they leave. */
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { InterruptedError } from '../../lib/core/errors.js';
import { sleep } from '../../lib/platform/lifecycle.js';
import { sendBacklogBytes } from '../../lib/rpc/send-backlog.js';
import type { StreamBatchesRequest, StreamSharedBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import type { Frame } from './assembly/frame-line.js';

/** Frames handed to the wire and not yet taken by it: enough to keep it busy, few enough that a slow trainer costs little. */
const MAX_FRAMES_IN_FLIGHT = 4;
/** How often a wait is looked at: what the network or the trainer holds up for less is told as the wire's. */
const SAMPLE_MS = 20;

/** A call that frames go out over. */
export type FrameCall =
  ServerWritableStream<StreamBatchesRequest, Buffer> | ServerDuplexStream<StreamSharedBatchesRequest, Buffer>;

/** Sends a frame, and calls `onTaken` once its memory is needed no more. */
export type SendFrame = (frame: Frame, onTaken: () => void) => void;

/** Paces by what is taken: `call.write` itself would take sixteen frames, whatever their size, before it says no. */
export interface Wire {
  /** Takes a frame, releases it when it has left, and resolves when there is room for another. Throws InterruptedError when the client is gone. */
  send(frame: Frame): Promise<void>;
  /** `promise`, but rejects with InterruptedError as soon as the client is gone. One at a time. */
  unlessGone<T>(promise: Promise<T>): Promise<T>;
  /** Resolves after that time. Throws InterruptedError as soon as the client is gone. */
  pause(ms: number): Promise<void>;
  /** Resolves when no frame is in flight any more, or the client is gone. */
  settle(): Promise<void>;
}

/**
 * @param onWait told what a frame waits for and how many milliseconds more, while it does
 */
export function createWire(
  call: FrameCall,
  send: SendFrame,
  onWait: (cause: 'wire' | 'trainer', waitedMs: number) => void,
): Wire {
  let numInFlight = 0;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  let leave: (() => void) | undefined;
  call.once('cancelled', () => {
    notify();
    leave?.();
  });

  const waitUntil = async (maxInFlight: number): Promise<void> => {
    while (numInFlight > maxInFlight && !call.cancelled) {
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const waitForRoom = async (): Promise<void> => {
    if (numInFlight < MAX_FRAMES_IN_FLIGHT) return;
    // A wait that is over before anybody looked is that of a wire that moves.
    let cause: 'wire' | 'trainer' = 'wire';
    let toldAtMs = performance.now();
    const tell = (): void => {
      const now = performance.now();
      onWait(cause, now - toldAtMs);
      toldAtMs = now;
    };
    const timer = setInterval(() => {
      cause = sendBacklogBytes(call) === 0 ? 'trainer' : 'wire';
      tell();
    }, SAMPLE_MS);
    await waitUntil(MAX_FRAMES_IN_FLIGHT - 1);
    clearInterval(timer);
    tell();
  };
  // No race with a promise of the whole call: that would keep each race, and what it was about, as long as the stream lasts.
  const unlessGone = <T>(promise: Promise<T>): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      leave = () => reject(goneError());
      promise.then(resolve, reject);
      if (call.cancelled) leave();
    }).finally(() => (leave = undefined));

  return {
    async send(frame) {
      numInFlight++;
      send(frame, () => {
        numInFlight--;
        frame.release();
        notify();
      });
      await waitForRoom();
      if (call.cancelled) throw goneError();
    },
    unlessGone,
    async pause(ms) {
      const isOver = new AbortController();
      try {
        await unlessGone(sleep(ms, isOver.signal));
      } finally {
        isOver.abort();
      }
    },
    settle: () => waitUntil(0),
  };
}

function goneError(): InterruptedError {
  return new InterruptedError('the client is gone');
}
