import type { StreamBatchesRequest } from '../../../protos/gen/millrace/v1/batch.js';
import { MillraceError } from '../../../lib/core/errors.js';
import { numViewsOf } from '../../../lib/core/transform.js';
import type { Frame, FrameLine } from '../assembly/frame-line.js';
import type { ServerContext } from '../context.js';
import { frameRequests, type PlannedFrame } from '../frame-requests.js';
import { planStream, type StreamPlan } from '../stream-request.js';
import { openStreamSource, sourceNames, type StreamSource } from '../stream-source.js';
import { StreamEntry } from '../stream-entry.js';
import { createWire, type FrameCall, type SendFrame, type Wire } from '../wire.js';
import { holderOf } from '../../../lib/rpc/guard.js';
import { unknownToken, type TokenHolder } from '../../../lib/rpc/token-holder.js';

/** Frames that a stream asks for ahead at least, however small its prefetch: those on the wire, and work for the threads. */
const MIN_FRAMES_AHEAD = 4;

/**
 * StreamBatches: the batches of one rank, frame by frame, as fast as `send` takes them. Returns when the epochs asked for are
 * through. Throws what {@link openStreamSource} and {@link planStream} throw; ERR_OVER_LIMIT when the server has no memory for one stream more;
 * ERR_SHARD_CORRUPT when a record cannot be had, ERR_VERSION_CHANGED when it cannot because the split was replaced; ERR_UNAVAILABLE when the server drains; ERR_UNAUTHENTICATED when the
 * token is taken away; ERR_INTERRUPTED when the client is gone.
 */
export async function streamBatches(
  context: ServerContext,
  call: FrameCall,
  request: StreamBatchesRequest,
  send: SendFrame,
): Promise<void> {
  const { streams } = context;
  // Later the connection may be gone, and its address with it.
  const asked = { peer: call.getPeer(), token: holderOf(call)?.name, ...sourceNames(request) };
  const opened = await open(context, request).catch((error: unknown) => {
    streams.refuse(asked, error);
    throw error;
  });
  const { source, plan, line } = opened;
  const run = JSON.stringify([source.version, request.seed, request.globalBatchSize]);
  const entry = new StreamEntry({ ...asked, run, slice: plan.slice, planner: plan.planner }, plan.from);
  streams.add(entry);
  let cause: unknown;
  try {
    const wire = createWire(call, send, (cause, waitedMs) => streams.waited(entry, cause, waitedMs));
    await sendFrames(context, wire, holderOf(call), entry, plan, line);
  } catch (error) {
    cause = error;
    throw error;
  } finally {
    // Also waits for threads that still read records of this source.
    await line.close();
    streams.remove(entry, cause);
    await source.release();
  }
}

interface OpenStream {
  readonly source: StreamSource;
  readonly plan: StreamPlan;
  readonly line: FrameLine;
}

async function open(context: ServerContext, request: StreamBatchesRequest): Promise<OpenStream> {
  const source = await openStreamSource(context.store, request);
  try {
    const plan = await planStream(request, source.splits);
    return { source, plan, line: openLine(context, source, plan, request.seed) };
  } catch (error) {
    await source.release();
    throw error;
  }
}

function openLine({ pool }: ServerContext, source: StreamSource, plan: StreamPlan, seed: number): FrameLine {
  const { version, mean, placeOf } = source;
  const { shape, options } = source.splits[0].manifest;
  const { resize, fit, size, decodeScale, exif } = options;
  return pool.openLine({
    version,
    recipe: { transform: plan.transform, seed, stored: shape, samples: { resize, fit, size, decodeScale, exif } },
    mean,
    batchSize: (plan.planner.order.globalBatchSize / plan.slice.worldSize) * numViewsOf(plan.transform),
    placeOf,
  });
}

/** Keeps as many frames asked for as the prefetch allows, and sends them in order. */
async function sendFrames(
  context: ServerContext,
  wire: Wire,
  holder: TokenHolder | undefined,
  entry: StreamEntry,
  plan: StreamPlan,
  line: FrameLine,
): Promise<void> {
  const { streams } = context;
  const { samplesPerFrame } = line.layout;
  const framesPerBatch = Math.ceil(line.source.batchSize / samplesPerFrame);
  const maxAhead = Math.max(MIN_FRAMES_AHEAD, Math.ceil(context.prefetchBatches * framesPerBatch));
  const requests = frameRequests(plan, samplesPerFrame);
  const ahead: { readonly planned: PlannedFrame; readonly frame: Promise<Frame> }[] = [];
  try {
    for (;;) {
      while (ahead.length < maxAhead) {
        const { done, value } = requests.next();
        if (done === true) break;
        const frame = line.request(value.request);
        // Whether it fails matters only once it is its turn.
        frame.catch(() => undefined);
        ahead.push({ planned: value, frame });
      }
      const next = ahead.shift();
      if (next === undefined) break;
      if (holder?.revoked.aborted === true) throw unknownToken();
      if (context.draining.aborted && next.planned.request.firstSample === 0) {
        throw new MillraceError('ERR_UNAVAILABLE', 'this server is going away; go on with another one');
      }
      entry.position = next.planned.position;
      const beganAtMs = performance.now();
      const frame = await wire.unlessGone(next.frame);
      const waitedMs = performance.now() - beganAtMs;
      streams.waited(entry, 'disk', waitedMs * frame.readShare);
      streams.waited(entry, 'assembly', waitedMs * (1 - frame.readShare));
      // Once it is sent, its memory may be another frame's.
      const numBytes = frame.message.length;
      await wire.send(frame);
      streams.sentFrame(entry, next.planned.request.ids.length, numBytes);
      if (next.planned.isEndOfBatch) streams.sentBatch(entry);
      const pauseMs = holder?.waitAfter(numBytes) ?? 0;
      if (pauseMs > 0) await wire.pause(pauseMs);
    }
  } finally {
    // What is in flight is still being read from the line's memory.
    await wire.settle();
  }
}
