/**
 * What Caffe's compute_image_mean does, to the last bit: sums in float32, in key order. Over a million images that loses up to
 * a tenth of a grey level against the exact mean that `prepare` makes; this one is for who needs Caffe's own file.
 */
import { messageOf, MillraceError, throwIfAborted } from '../lib/core/errors.js';
import { numElements, type SampleShape } from '../lib/core/tensor.js';
import { FloatSums } from '../lib/pixels/float-sums.js';
import { createSampleDecoder, type SamplePixels } from '../lib/pixels/sample-decoder.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import type { MeanImage } from '../lib/shards/blob-proto.js';
import type { Datum } from '../lib/shards/datum.js';
import { readLeveldb } from '../lib/shards/leveldb/leveldb-reader.js';
import { openShard } from '../lib/shards/shard-reader.js';
import type { Backend } from './convert-imageset.js';

/** Records read between two looks at the signal. */
const RECORDS_PER_TURN = 512;

/** Told after some records each; the total is unknown before the end in a LevelDB. */
export type MeanProgress = (numDone: number, total: number | undefined) => void;

/**
 * The mean of a database of Datums, whoever wrote it. Image files are decoded as Caffe does, in the channels that they have.
 * Throws ERR_SHARD_CORRUPT when it cannot be read, or an image file in it cannot; ERR_VERIFICATION when images differ in size or
 * there are none.
 */
export async function computeImageMean(
  backend: Backend,
  databaseFolder: string,
  onProgress: MeanProgress,
  signal: AbortSignal,
): Promise<MeanImage> {
  const fail = (what: string): never => {
    throw new MillraceError('ERR_VERIFICATION', `${databaseFolder}: ${what}`, { context: { path: databaseFolder } });
  };
  let imageShape: SampleShape | undefined;
  let sums = new FloatSums(0);
  let numImages = 0;
  const add = (key: string, { shape, data }: SamplePixels): void => {
    if (imageShape === undefined) {
      imageShape = { ...shape };
      sums = new FloatSums(numElements(shape));
    }
    const numValues = sums.sums.length;
    if (data.length !== numValues) {
      fail(`record "${key}" has ${data.length} bytes of pixels, the first one ${numValues}`);
    }
    sums.add(data);
    numImages++;
  };
  const { turbojpeg } = findTurbojpeg(readEnvironment().turbojpeg);
  const decode = createSampleDecoder({ resize: 'none', fit: 'exact' }, turbojpeg, 'native');
  const decodeNamed = async (key: string, datum: Datum): Promise<SamplePixels> => {
    try {
      return await decode(datum);
    } catch (cause) {
      const message = `${databaseFolder}: record "${key}" cannot be decoded: ${messageOf(cause)}`;
      throw new MillraceError('ERR_SHARD_CORRUPT', message, { cause, context: { path: databaseFolder } });
    }
  };
  for await (const { files, total } of backend === 'lmdb' ? readLmdb(databaseFolder, add) : readAll(databaseFolder)) {
    for (const { key, datum } of files) add(key, await decodeNamed(key, datum));
    onProgress(numImages, total);
    throwIfAborted(signal);
  }
  if (imageShape === undefined) return fail('there are no records');
  // Float32 by float32, and the quotient rounded to float32 again.
  return { shape: imageShape, data: sums.sums.map((sum) => sum / Math.fround(numImages)) };
}

interface Turn {
  /** Records that are still to be added, in key order. Their data outlive the turn. */
  readonly files: readonly { readonly key: string; readonly datum: Datum }[];
  readonly total: number | undefined;
}

/** Pixels are added where they lie, without a copy; from the first image file of a turn on, records are handed out. */
async function* readLmdb(folder: string, add: (key: string, pixels: SamplePixels) => void): AsyncGenerator<Turn, void> {
  const shard = openShard(folder);
  try {
    const total = shard.numSamples;
    for (let begin = 0; begin < total; begin += RECORDS_PER_TURN) {
      const end = Math.min(total, begin + RECORDS_PER_TURN);
      const files: { key: string; datum: Datum }[] = [];
      const indices = Array.from({ length: end - begin }, (_, i) => begin + i);
      shard.read(indices, (datum, index) => {
        const key = shard.keyAt(index);
        if (datum.isEncoded || files.length > 0)
          files.push({ key, datum: { ...datum, data: Uint8Array.from(datum.data) } });
        else add(key, datum);
      });
      yield { files, total };
      await new Promise(setImmediate);
    }
  } finally {
    await shard.close();
  }
}

async function* readAll(folder: string): AsyncGenerator<Turn, void> {
  for await (const files of readLeveldb(folder)) yield { files, total: undefined };
}
