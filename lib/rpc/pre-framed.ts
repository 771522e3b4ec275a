/**
 * Sending gRPC messages that carry gRPC's own prefix already. grpc-js copies every message into a new buffer, to put five bytes
 * in front: with megabytes of pixels that is the larger part of what sending costs. A call that is told to take its messages as
 * they are hands them to HTTP/2 untouched.
 *
 * This replaces a method of an object that grpc-js keeps to itself, and so it is done only where everything is as expected; a call
 * where it is not, copies, and works as well.
 */
import { createRequire } from 'node:module';
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { messageOf } from '../core/errors.js';

/** A byte that says "not compressed", and the length of the message, big endian. */
export const GRPC_PREFIX_BYTES = 5;

/** The releases whose way of sending has been read and tested. */
const KNOWN_VERSIONS = /^1\.14\.\d+$/;

/** Writes the prefix of a message of that many bytes. */
export function writeGrpcPrefix(target: Uint8Array, at: number, messageBytes: number): void {
  target[at] = 0;
  new DataView(target.buffer, target.byteOffset).setUint32(at + 1, messageBytes);
}

/** The `responseSerialize` of a method whose messages carry the prefix, for calls that copy: the message without it. */
export function withoutPrefix(framed: Buffer): Buffer {
  return framed.subarray(GRPC_PREFIX_BYTES);
}

/** A call that streams buffers to a client. */
type StreamingCall = Pick<ServerWritableStream<never, Buffer> | ServerDuplexStream<never, Buffer>, 'write'>;

/** What grpc-js has behind a call of a server: it serializes a message and puts the prefix in front. */
interface InnerCall {
  serializeMessage(message: Buffer): Buffer;
}

/**
 * Makes a call send its messages, which carry the prefix, as they are. A buffer must stay as it is until the callback of its
 * write, or the end of the call.
 *
 * @returns why it cannot be done; undefined when it is done.
 */
export function takePreFramed(call: StreamingCall, version = grpcVersion()): string | undefined {
  if (!KNOWN_VERSIONS.test(version)) return `grpc-js ${version} is not a release that this was tested with`;
  const inner = (call as unknown as { call?: Partial<InnerCall> }).call;
  if (typeof inner?.serializeMessage !== 'function') return 'the call has no serializeMessage';
  // The method must still do what its replacement takes over: serialize (here: take the prefix off), and put the prefix on.
  const probe = Buffer.from([0, 0, 0, 0, 3, 7, 8, 9]);
  try {
    if (!inner.serializeMessage(probe).equals(probe)) return 'serializeMessage does something else than it did';
  } catch (error) {
    return `serializeMessage failed: ${messageOf(error)}`;
  }
  inner.serializeMessage = (framed) => framed;
  return undefined;
}

function grpcVersion(): string {
  const { version } = createRequire(import.meta.url)('@grpc/grpc-js/package.json') as { version: string };
  return version;
}
