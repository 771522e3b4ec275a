/**
 * From a batch's plan to the bytes that go on the wire: per frame one buffer, the header first, the pixels last, written where
 * they stay. No other copy of the pixels is made on the way.
 */
import { BatchFrame } from '../../protos/gen/millrace/v1/batch.js';
import type { BatchPlan } from '../../lib/core/batch-plan.js';
import { copyCrop, type CropWindow } from '../../lib/core/crop.js';
import { MillraceError } from '../../lib/core/errors.js';
import { BYTES_PER_ELEMENT, numElements, shapeInLayout } from '../../lib/core/tensor.js';
import { createMeanSubtractor, croppedShape, windowOf, type Transform } from '../../lib/core/transform.js';
import type { SplitReader } from '../../lib/shards/split-reader.js';

/** Frames of about this size go fastest through grpc-js (measured: 64 KiB and 16 MiB ones take half the rate). */
const TARGET_FRAME_BYTES = 1 << 20;

const FLAG_MIRRORED = 1;
const FLAG_PADDING = 2;
/** More than the fields of a frame's header take, and those of one sample (two 64-bit and two 32-bit varints, a byte). */
const HEADER_ROOM_BYTES = 256;
const HEADER_ROOM_BYTES_PER_SAMPLE = 32;
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

/** What the frames of an epoch's last step say besides. */
export interface EndOfEpochMark {
  readonly isLastStep: boolean;
  /** Of the ids served, on the last frame of the last step; else empty. */
  readonly epochDigest: string;
}

export function createFrameAssembler(split: SplitReader, transform: Transform, seed: number): FrameAssembler {
  const { shape: stored, channelMean } = split.manifest;
  const { layout, channelOrder, dtype } = transform;
  const shape = croppedShape(stored, transform);
  const elements = numElements(shape);
  const sampleBytes = elements * BYTES_PER_ELEMENT[dtype];
  const samplesPerFrame = Math.max(1, Math.floor(TARGET_FRAME_BYTES / sampleBytes));
  const subtractor = createMeanSubtractor(transform, stored, { image: split.mean.data, channels: channelMean });
  const cropped = new Uint8Array(dtype === 'float32' ? elements : 0);
  const subtracted = new Float32Array(cropped.length);

  /** Writes one sample at `offset` of the frame. */
  const place = (frame: Buffer, offset: number, pixels: Uint8Array, window: CropWindow): void => {
    if (dtype === 'uint8') {
      copyCrop(frame, offset, pixels, stored, window, layout, channelOrder);
      return;
    }
    copyCrop(cropped, 0, pixels, stored, window, layout, channelOrder);
    subtractor.subtract(subtracted, cropped, 0, window);
    // The frame's floats are not aligned, so they go in as bytes; every machine that runs Node is little endian.
    frame.set(new Uint8Array(subtracted.buffer), offset);
  };

  return {
    numFrames: (batchSize) => Math.ceil(batchSize / samplesPerFrame),
    assemble(plan, index, { isLastStep, epochDigest }) {
      const first = index * samplesPerFrame;
      const ids = plan.ids.subarray(first, first + samplesPerFrame);
      const windows = Array.from(ids, (id, i) => windowOf(transform, stored, seed, plan.epochs[first + i], id));
      const header: BatchFrame = {
        epoch: plan.epoch,
        step: plan.step,
        firstSample: first,
        batchSize: plan.ids.length,
        isLastStep,
        sampleShape: [...shapeInLayout(shape, layout)],
        ids: Array.from(ids),
        labels: new Array<number>(ids.length).fill(0),
        cropY: windows.map((window) => window.y),
        cropX: windows.map((window) => window.x),
        flags: Buffer.from(
          windows.map(
            (window, i) => (window.isMirrored ? FLAG_MIRRORED : 0) | (plan.isValid[first + i] === 1 ? 0 : FLAG_PADDING),
          ),
        ),
        epochDigest,
        pixels: Buffer.alloc(0),
      };
      // Labels are known only when the records have been read, and decide how long the header is: it goes, right-aligned,
      // into room that is kept in front of the pixels.
      const room = HEADER_ROOM_BYTES + ids.length * HEADER_ROOM_BYTES_PER_SAMPLE;
      const pixelBytes = ids.length * sampleBytes;
      const frame = Buffer.allocUnsafe(room + pixelBytes);
      split.read(ids, (datum, at) => {
        if (datum.isEncoded || datum.data.length !== numElements(stored)) {
          throw new MillraceError(
            'ERR_SHARD_CORRUPT',
            `record ${split.keyOf(ids[at])} of ${split.folder} is not raw pixels`,
          );
        }
        header.labels[at] = datum.label;
        place(frame, room + at * sampleBytes, datum.data, windows[at]);
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
