import { once } from 'node:events';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { UsageError } from '../../../lib/core/errors.js';
import { GRPC_PREFIX_BYTES, writeGrpcPrefix } from '../../../lib/rpc/pre-framed.js';
import { SharedFrame, type StreamSharedBatchesRequest } from '../../../protos/gen/millrace/v1/batch.js';
import { pixelsTag } from '../assembly/frame-layout.js';
import type { Frame } from '../assembly/frame-line.js';
import type { SharedFile } from '../assembly/shared-file.js';
import type { ServerContext } from '../context.js';
import { streamBatches } from './stream-batches.js';

/** StreamSharedBatches: {@link streamBatches}, but the trainer takes the pixels out of `file`, and says when it has. */
export async function streamSharedBatches(
  context: ServerContext,
  call: ServerDuplexStream<StreamSharedBatchesRequest, Buffer>,
  file: SharedFile,
): Promise<void> {
  const underWay: (() => void)[] = [];
  // A trainer may also end without a word.
  const [first] = (await Promise.race([once(call, 'data'), once(call, 'end')])) as [StreamSharedBatchesRequest?];
  const open = first?.open;
  if (open === undefined) throw new UsageError('open', 'open: expected in the first message');
  call.on('data', ({ numTaken }: StreamSharedBatchesRequest) => {
    for (const onTaken of underWay.splice(0, numTaken)) onTaken();
  });
  call.write(framed({ memory: { path: file.path, numBytes: file.numBytes, nonce: file.nonce } }));
  await streamBatches(context, call, open, (frame, onTaken) => {
    underWay.push(onTaken);
    call.write(framed(placeOf(frame)));
  });
}

function placeOf({ message, numPixelBytes }: Frame): Partial<SharedFrame> {
  const numHeaderBytes = message.length - GRPC_PREFIX_BYTES - pixelsTag(numPixelBytes).length - numPixelBytes;
  return {
    header: message.subarray(GRPC_PREFIX_BYTES, GRPC_PREFIX_BYTES + numHeaderBytes),
    headerAt: message.byteOffset + GRPC_PREFIX_BYTES,
    pixelsAt: message.byteOffset + message.length - numPixelBytes,
    numPixelBytes,
  };
}

/** Encoded, with gRPC's prefix. */
function framed(frame: Partial<SharedFrame>): Buffer {
  const encoded = SharedFrame.encode(SharedFrame.fromPartial(frame)).finish();
  const message = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + encoded.length);
  writeGrpcPrefix(message, 0, encoded.length);
  message.set(encoded, GRPC_PREFIX_BYTES);
  return message;
}
