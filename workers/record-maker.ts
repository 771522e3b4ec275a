/** From an image file to the record that is stored of it, in the form that is asked for. */
import { absorb, HashTag } from '../lib/core/keyed-hash.js';
import { encodeRecordJpeg } from '../lib/pixels/jpeg-encoder.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { createSampleDecoder, resizeOptionsOf, type SamplePixels } from '../lib/pixels/sample-decoder.js';
import type { Turbojpeg } from '../lib/pixels/turbojpeg-library.js';
import { encodeFileDatum, encodeRawDatum } from '../lib/shards/datum.js';
import type { RecordOptions } from './task.js';

export interface MadeRecord {
  /** The record's value: a new buffer. */
  readonly value: Buffer;
  /** The pixels that the record is served as: what the mean is over. */
  readonly sample: SamplePixels;
}

/** Throws ERR_IMAGE_UNREADABLE with the reason when the file cannot be decoded, whatever is stored of it. */
export type RecordMaker = (key: string, label: number, file: Uint8Array) => Promise<MadeRecord>;

/** Throws ERR_NOT_FOUND when the kernels have not been built. */
export function createRecordMaker(options: RecordOptions, turbojpeg: Turbojpeg | undefined): RecordMaker {
  const { record, rawShare = 0, quality = 95 } = options;
  const pipeline = createPixelPipeline({ resize: resizeOptionsOf(options), turbojpeg });
  const decode = createSampleDecoder(options, turbojpeg);

  return async (key, label, file) => {
    const image = await pipeline.convert(file);
    const { width, height, channels, data } = image;
    const sample = { shape: { width, height, channels }, data };
    if (record === 'original') return { value: encodeFileDatum(file, label), sample };
    if (record === 'raw' || (record === 'mixed' && isStoredRaw(key, rawShare))) {
      return { value: encodeRawDatum(sample.shape, data, label), sample };
    }
    const jpeg = await encodeRecordJpeg(image, quality, turbojpeg);
    // What is served is what the JPEG has left of them.
    const kept = await decode({ shape: sample.shape, data: jpeg, isEncoded: true });
    return { value: encodeFileDatum(jpeg, label), sample: kept };
  };
}

/** Whether a record of `mixed` is raw: decided by its key alone, so that it is the same wherever the record is made. */
export function isStoredRaw(key: string, rawShare: number): boolean {
  let state = HashTag.record as number;
  for (const byte of Buffer.from(key)) state = absorb(state, byte);
  return state < rawShare * 2 ** 32;
}
