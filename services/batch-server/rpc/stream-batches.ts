import type { ServerWritableStream } from '@grpc/grpc-js';
import type { StreamBatchesRequest } from '../../../protos/gen/millrace/v1/batch.js';
import { InterruptedError, MillraceError } from '../../../lib/core/errors.js';
import { createIdDigest } from '../../../lib/core/id-digest.js';
import type { ServerContext } from '../context.js';
import { createFrameAssembler } from '../frame-assembly.js';
import { planStream } from '../stream-request.js';
import { openStreamSource, sourceNames } from '../stream-source.js';
import type { StreamEntry } from '../stream-registry.js';

/** Frames handed to the wire and not yet taken by it: enough to keep it busy, few enough that a slow trainer costs little. */
const MAX_FRAMES_IN_FLIGHT = 4;

/**
 * StreamBatches: the batches of one rank, frame by frame, as fast as the wire takes them. Returns when the epochs asked for are
 * through. Throws what {@link openStreamSource} and {@link planStream} throw; ERR_UNAVAILABLE when the server drains; ERR_INTERRUPTED when the client is
 * gone.
 */
export async function streamBatches(
  context: ServerContext,
  call: ServerWritableStream<StreamBatchesRequest, Buffer>,
): Promise<void> {
  const { request } = call;
  const source = await openStreamSource(context.store, request);
  const entry: StreamEntry = {
    peer: call.getPeer(),
    ...sourceNames(request),
    slice: { rank: request.rank, worldSize: Math.max(1, request.worldSize) },
    position: { epoch: request.epoch, step: request.step },
    batchesSent: 0,
    openedAtMs: performance.now(),
    wireWaitMs: 0,
  };
  context.streams.add(entry);
  context.metrics.streamsActive.inc();
  try {
    const plan = await planStream(request, source.splits);
    const assembler = createFrameAssembler(source, plan.transform, request.seed);
    const wire = createWire(context, call, entry);
    const digest = createIdDigest();
    let { epoch, step } = plan.from;
    for (; plan.endEpoch === undefined || epoch < plan.endEpoch; epoch++, step = 0) {
      digest.reset();
      for (const numSteps = plan.planner.numSteps(epoch); step < numSteps; step++) {
        if (context.draining.aborted)
          throw new MillraceError('ERR_UNAVAILABLE', 'this server is going away; go on with another one');
        entry.position = { epoch, step };
        const batch = plan.planner.plan({ epoch, step }, plan.slice);
        batch.ids.forEach((id, i) => {
          if (batch.isValid[i] === 1) digest.add(id);
        });
        const isLastStep = step === numSteps - 1;
        const numFrames = assembler.numFrames(batch.ids.length);
        for (let index = 0; index < numFrames; index++) {
          const epochDigest = isLastStep && index === numFrames - 1 ? digest.hex() : '';
          const stopTimer = context.metrics.frameAssemblySeconds.startTimer();
          const frame = assembler.assemble(batch, index, { isLastStep, epochDigest });
          stopTimer();
          await wire.send(frame);
        }
        context.streams.countBatch(entry);
        context.metrics.batchesSent.inc();
      }
    }
    await wire.flush();
  } finally {
    context.streams.remove(entry);
    context.metrics.streamsActive.dec();
    await source.release();
  }
}

/** Paces by write callbacks: `call.write` itself would take sixteen frames, whatever their size, before it says no. */
interface Wire {
  /** Resolves when there is room for another frame. Throws InterruptedError when the client is gone. */
  send(frame: Buffer): Promise<void>;
  /** Resolves when all frames were taken. */
  flush(): Promise<void>;
}

function createWire(
  context: ServerContext,
  call: ServerWritableStream<StreamBatchesRequest, Buffer>,
  entry: StreamEntry,
): Wire {
  let inFlight = 0;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  call.on('cancelled', notify);

  const waitUntil = async (maxInFlight: number): Promise<void> => {
    const beganAtMs = performance.now();
    while (inFlight > maxInFlight && !call.cancelled) {
      await new Promise<void>((resolve) => (wake = resolve));
    }
    if (call.cancelled) throw new InterruptedError('the client is gone');
    const waitedMs = performance.now() - beganAtMs;
    entry.wireWaitMs += waitedMs;
    context.metrics.wireWaitSeconds.inc(waitedMs / 1000);
  };

  return {
    async send(frame) {
      inFlight++;
      call.write(frame, () => {
        inFlight--;
        notify();
      });
      context.streams.countFrame(frame.length);
      context.metrics.bytesSent.inc(frame.length);
      // One turn of the event loop a frame, so that other streams and calls get theirs.
      await new Promise((resolve) => setImmediate(resolve));
      await waitUntil(MAX_FRAMES_IN_FLIGHT - 1);
    },
    flush: () => waitUntil(0),
  };
}
