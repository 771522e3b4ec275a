/**
 * From a batch's plan to the bytes that go on the wire: per frame one buffer, the header first, the pixels last, written where
 * they stay. No other copy of the pixels is made on the way.
 */
import { BatchFrame } from '../../protos/gen/millrace/v1/batch.js';
import type { BatchPlan } from '../../lib/core/batch-plan.js';
import { MillraceError } from '../../lib/core/errors.js';
import { BYTES_PER_ELEMENT, numElements, type SampleShape } from '../../lib/core/tensor.js';
import { croppedShape, type Mean, type Transform } from '../../lib/core/transform.js';
import { createPlainPlacer } from '../../lib/pixels/augment/plain-placer.js';
import type { SampleReader } from '../../lib/shards/joined-split.js';
import { drawFrame, HEADER_ROOM_BYTES, HEADER_ROOM_BYTES_PER_PICTURE, type EndOfEpochMark } from './frame-header.js';

/** Frames of about this size go fastest through grpc-js (measured: 64 KiB and 16 MiB ones take half the rate). */
const TARGET_FRAME_BYTES = 1 << 20;

/** Tag of BatchFrame.pixels: field 15, wire type 2. */
const PIXELS_TAG = (15 << 3) | 2;

export interface FrameAssembler {
  /** Number of frames that a batch of `batchSize` samples takes. */
  numFrames(batchSize: number): number;
  /**
   * Assembles frame `index` of a batch as an encoded BatchFrame; the buffer is the caller's.
   * Throws ERR_SHARD_CORRUPT when a record is not what the manifest says.
   */
  assemble(plan: BatchPlan, index: number, end: EndOfEpochMark): Buffer;
}

/** What frames are made from. */
export interface FrameSource {
  readonly reader: SampleReader;
  /** Of a stored sample. */
  readonly shape: SampleShape;
  readonly mean: Mean;
}

export function createFrameAssembler(source: FrameSource, transform: Transform, seed: number): FrameAssembler {
  const { reader, shape: stored, mean } = source;
  const sampleBytes = numElements(croppedShape(stored, transform)) * BYTES_PER_ELEMENT[transform.dtype];
  const samplesPerFrame = Math.max(1, Math.floor(TARGET_FRAME_BYTES / (sampleBytes + HEADER_ROOM_BYTES_PER_PICTURE)));
  const place = createPlainPlacer(transform, stored, mean, seed);

  return {
    numFrames: (batchSize) => Math.ceil(batchSize / samplesPerFrame),
    assemble(plan, index, mark) {
      const first = index * samplesPerFrame;
      const end = Math.min(first + samplesPerFrame, plan.ids.length);
      const { header, pictures } = drawFrame(transform, stored, seed, plan, [first, end], mark);
      const ids = plan.ids.subarray(first, end);
      // Labels are known only when the records have been read, and decide how long the header is: it goes, right-aligned,
      // into room that is kept in front of the pixels.
      const room = HEADER_ROOM_BYTES + ids.length * HEADER_ROOM_BYTES_PER_PICTURE;
      const pixelBytes = ids.length * sampleBytes;
      const frame = Buffer.allocUnsafe(room + pixelBytes);
      reader.read(ids, (datum, at) => {
        if (datum.isEncoded || datum.data.length !== numElements(stored)) {
          throw new MillraceError(
            'ERR_SHARD_CORRUPT',
            `record ${reader.keyOf(ids[at])} of ${reader.folder} is not raw pixels`,
          );
        }
        header.labels[at] = datum.label;
        place(frame, room + at * sampleBytes, datum.data, pictures[at]);
      });
      const prefix = pixelsPrefix(pixelBytes);
      const head = BatchFrame.encode(header).finish();
      const begin = room - prefix.length - head.length;
      frame.set(head, begin);
      frame.set(prefix, begin + head.length);
      return frame.subarray(begin);
    },
  };
}

function pixelsPrefix(length: number): Uint8Array {
  const bytes = [PIXELS_TAG];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
