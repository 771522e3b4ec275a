/** Requests with integers that JavaScript has no number for are let through, so that the check of their fields can name them. */
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { StreamBatchesRequest, StreamSharedBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';

/** As the generated decoder, but what is past 2^53 − 1 becomes NaN instead of an error that names nothing. */
export function decodeStreamRequest(bytes: Uint8Array): StreamBatchesRequest {
  return StreamBatchesRequest.decode(new LenientReader(bytes));
}

/** The same of one message of a trainer on this machine. */
export function decodeSharedRequest(bytes: Uint8Array): StreamSharedBatchesRequest {
  return StreamSharedBatchesRequest.decode(new LenientReader(bytes));
}

class LenientReader extends BinaryReader {
  override uint64(): bigint | string {
    const value = super.uint64();
    return BigInt(value) > BigInt(Number.MAX_SAFE_INTEGER) ? 'NaN' : value;
  }
}
