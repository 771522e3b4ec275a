/** Reading one connection's part of a stream from one server, until it ends or breaks. */
import { createIdDigest } from '../../../lib/core/id-digest.js';
import { MillraceError } from '../../../lib/core/errors.js';
import type { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';
import type { Batch, StreamPosition } from './batch.js';
import { createBatchDecoder } from './batch-decoder.js';
import type { Connection } from './connection.js';
import type { DatasetInfo } from './dataset-info.js';
import type { CompleteStreamOptions } from './options.js';
import type { SharedBatch } from './shared-batch.js';
import { wireRequest } from './wire-request.js';

/**
 * Yields the parts of batches from `state.position` on, in this lane's rows of the shared one, and moves it past each part before
 * yielding it, so that whoever reads on after a break gets the next one. `infos` are those of the sources. A server that has nothing
 * to send is through: the epochs asked for may end in some without a step, and their last step may be the one before `state.position`.
 * Throws what the call ended with, also when the signal is aborted, which must not have been before; ERR_VERIFICATION when a digest does
 * not fit.
 */
export async function* readStream(
  connection: Connection,
  options: CompleteStreamOptions,
  infos: readonly DatasetInfo[],
  lane: number,
  shared: SharedBatch,
  state: { position: StreamPosition },
  signal: AbortSignal,
): AsyncGenerator<Batch, void, undefined> {
  const endEpoch = options.epochs === undefined ? Infinity : options.from.epoch + options.epochs;
  if (state.position.epoch >= endEpoch) return;
  const decoder = createBatchDecoder(options, infos[0], (frame) => shared.claim(lane, frame));
  const digest = createIdDigest();
  let hasCome = false;
  const call = connection.streamBatches(
    wireRequest(
      options,
      state.position,
      infos.map(({ version }) => version),
      lane,
    ),
  );
  const cancel = (): void => call.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    for await (const frame of call as AsyncIterable<BatchFrame>) {
      hasCome = true;
      const batch = decoder.take(frame);
      if (batch === undefined) continue;
      batch.ids.forEach((id, i) => {
        if (batch.isValid[i] === 1) digest.add(id);
      });
      if (batch.isLastStep) {
        if (frame.epochDigest !== digest.hex()) {
          throw new MillraceError(
            'ERR_VERIFICATION',
            `server ${connection.server} says it sent other samples of epoch ${batch.epoch} than came: digest ` +
              `${frame.epochDigest} there, ${digest.hex()} here (${digest.count} samples)`,
          );
        }
        digest.reset();
      }
      state.position = batch.isLastStep
        ? { epoch: batch.epoch + 1, step: 0 }
        : { epoch: batch.epoch, step: batch.step + 1 };
      yield batch;
    }
    if (hasCome && state.position.epoch < endEpoch) {
      throw new MillraceError('ERR_UNAVAILABLE', `server ${connection.server} ended the stream early`, {
        isRetryable: true,
      });
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    // Also when the reader stopped early: frees what the server holds for this stream.
    call.cancel();
  }
}
