/** From an image file to the record that is stored of it, in the form that is asked for. */
import { absorb, HashTag } from '../lib/core/keyed-hash.js';
import { encodeRecordJpeg } from '../lib/pixels/jpeg-encoder.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { createSampleDecoder, resizeOptionsOf, type SamplePixels } from '../lib/pixels/sample-decoder.js';
import type { Turbojpeg } from '../lib/pixels/turbojpeg-library.js';
import { fileDatumParts, rawDatumParts, type DatumParts } from '../lib/shards/datum.js';
import type { RecordOptions } from './task.js';

export interface MadeRecord {
  /** The record's value. Its data is the file's array, or the sample's, where it is one of them. */
  readonly value: DatumParts;
  /** The pixels that the record is served as: what the mean is over. */
  readonly sample: SamplePixels;
}

/** Throws ERR_IMAGE_UNREADABLE with the reason when the file cannot be decoded, whatever is stored of it. */
export type RecordMaker = (key: string, label: number, file: Uint8Array) => Promise<MadeRecord>;

/**
 * Throws ERR_NOT_FOUND when the kernels have not been built.
 *
 * @param allocate gives the array, of that many bytes, that the pixels of an image are made in
 */
export function createRecordMaker(
  options: RecordOptions,
  turbojpeg: Turbojpeg | undefined,
  allocate?: (numBytes: number) => Uint8Array,
): RecordMaker {
  const { record, rawShare = 0, quality = 95, exif, truncated } = options;
  const pipeline = createPixelPipeline({ resize: resizeOptionsOf(options), exif, truncated, turbojpeg, allocate });
  const decode = createSampleDecoder(options, turbojpeg);

  return async (key, label, file) => {
    const image = await pipeline.convert(file);
    const { width, height, channels, data } = image;
    const sample = { shape: { width, height, channels }, data };
    if (record === 'original') return { value: fileDatumParts(file, label), sample };
    if (record === 'raw' || (record === 'mixed' && isStoredRaw(key, rawShare))) {
      return { value: rawDatumParts(sample.shape, data, label), sample };
    }
    const jpeg = await encodeRecordJpeg(image, quality, turbojpeg);
    // What is served is what the JPEG has left of them.
    const kept = await decode({ shape: sample.shape, data: jpeg, isEncoded: true });
    return { value: fileDatumParts(jpeg, label), sample: kept };
  };
}

/** Whether a record of `mixed` is raw: decided by its key alone, so that it is the same wherever the record is made. */
export function isStoredRaw(key: string, rawShare: number): boolean {
  let state = HashTag.record as number;
  for (const byte of Buffer.from(key)) state = absorb(state, byte);
  return state < rawShare * 2 ** 32;
}
