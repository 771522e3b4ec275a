/**
 * How a frame lies in memory: room for gRPC's prefix and the header, right-aligned, then the samples, which begin at a multiple of
 * 64. The header is known last, for the labels are in the records; what is sent begins where the prefix does.
 */
import type { SampleShape } from '../../../lib/core/tensor.js';
import type { Transform } from '../../../lib/core/transform.js';
import { placedBytes } from '../../../lib/pixels/sample-kernels.js';
import { GRPC_PREFIX_BYTES, writeGrpcPrefix } from '../../../lib/rpc/pre-framed.js';
import { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';

/** Frames of 1 to 2 MB go fastest through grpc-js (measured: 64 KiB and 16 MiB ones take half the rate). */
const TARGET_FRAME_BYTES = 1.25 * (1 << 20);

/** More than the fields of a frame's header take, and those of one picture (varints, a byte, a MixPlan). */
const HEADER_ROOM_BYTES = 256;
const HEADER_ROOM_BYTES_PER_SAMPLE = 96;
const PAYLOAD_ALIGNMENT = 64;

/** Tag of BatchFrame.pixels: field 15, wire type 2. */
const PIXELS_TAG = (15 << 3) | 2;

export interface FrameLayout {
  readonly sampleBytes: number;
  readonly samplesPerFrame: number;
}

export function frameLayout(transform: Transform, stored: SampleShape): FrameLayout {
  const sampleBytes = placedBytes(transform, stored);
  const bytes = sampleBytes + HEADER_ROOM_BYTES_PER_SAMPLE;
  return { sampleBytes, samplesPerFrame: Math.max(1, Math.floor(TARGET_FRAME_BYTES / bytes)) };
}

/** Bytes of memory that a frame of that many samples takes. */
export function frameBytes({ sampleBytes }: FrameLayout, numSamples: number): number {
  return payloadOffset(numSamples) + numSamples * sampleBytes;
}

/** Where in a frame's memory its samples begin. */
export function payloadOffset(numSamples: number): number {
  const room = HEADER_ROOM_BYTES + numSamples * HEADER_ROOM_BYTES_PER_SAMPLE;
  return Math.ceil(room / PAYLOAD_ALIGNMENT) * PAYLOAD_ALIGNMENT;
}

/** Writes prefix and header in front of the samples; `frame` is the frame's memory. Returns where the message begins. */
export function writeHeader(frame: Uint8Array, layout: FrameLayout, header: Omit<BatchFrame, 'pixels'>): number {
  const numSamples = header.ids.length;
  const pixelBytes = numSamples * layout.sampleBytes;
  const head = BatchFrame.encode({ ...header, pixels: Buffer.alloc(0) }).finish();
  const tag = pixelsTag(pixelBytes);
  const pixels = payloadOffset(numSamples);
  const message = pixels - tag.length - head.length;
  frame.set(head, message);
  frame.set(tag, message + head.length);
  const begin = message - GRPC_PREFIX_BYTES;
  writeGrpcPrefix(frame, begin, pixels + pixelBytes - message);
  return begin;
}

/** What stands between the header and so many bytes of pixels. */
export function pixelsTag(pixelBytes: number): number[] {
  return [PIXELS_TAG, ...varint(pixelBytes)];
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}
