/** A contact sheet: random samples of a split, or of one shard, in one picture. */
import { MillraceError } from '../lib/core/errors.js';
import { createPermutation } from '../lib/core/permutation.js';
import { encodeContactSheet, toPicture } from '../lib/pixels/encode.js';
import type { InterleavedImage } from '../lib/pixels/image.js';
import { createSampleDecoder, type SampleDecoder, type SamplePixels } from '../lib/pixels/sample-decoder.js';
import type { Turbojpeg } from '../lib/pixels/turbojpeg-library.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import type { Datum } from '../lib/shards/datum.js';
import { openShard } from '../lib/shards/shard-reader.js';
import { openAnySplit } from '../lib/shards/split-reader.js';

export interface SheetOptions {
  /** Samples to draw, at least 1; all when there are not so many. */
  readonly count: number;
  /** The same seed draws the same samples. */
  readonly seed: number;
}

export interface SheetSample {
  readonly sampleId: number;
  readonly key: string;
  readonly label: number;
}

export interface ContactSheet {
  readonly png: Buffer;
  /** Row by row, in ascending order of ids. */
  readonly samples: readonly SheetSample[];
  /** Pictures a row. */
  readonly columns: number;
}

/** What samples are drawn from. `visit` is told the place in `ids`; the Datum is valid only inside it. */
interface SampleSource {
  readonly numSamples: number;
  keyOf(sampleId: number): string;
  read(ids: readonly number[], visit: (datum: Datum, place: number) => void): void;
  readonly decode: SampleDecoder;
}

/** Of a finished split. Throws ERR_NOT_FOUND, ERR_SHARD_CORRUPT. */
export async function drawSplitSheet(folder: string, options: SheetOptions): Promise<ContactSheet> {
  const split = await openAnySplit(folder);
  try {
    const source: SampleSource = {
      numSamples: split.manifest.numSamples,
      keyOf: (id) => split.keyOf(id),
      read: (ids, visit) => split.read(ids, visit),
      decode: createSampleDecoder(split.manifest.options, turbojpeg()),
    };
    return await drawSheet(source, options);
  } finally {
    await split.close();
  }
}

/**
 * Of one environment of Datums, whoever wrote it.
 * Throws ERR_NOT_FOUND when it is empty, ERR_SHARD_CORRUPT, ERR_IMAGE_UNREADABLE when a record is no picture.
 */
export async function drawShardSheet(folder: string, options: SheetOptions): Promise<ContactSheet> {
  const shard = openShard(folder);
  const { numSamples } = shard;
  try {
    if (numSamples === 0) throw new MillraceError('ERR_NOT_FOUND', `${folder}: there are no records to draw`);
    const source: SampleSource = {
      numSamples,
      keyOf: (id) => shard.keyAt(id),
      read(ids, visit) {
        let place = 0;
        shard.read(ids, (datum) => visit(datum, place++));
      },
      // Nobody says how it was made: as it is.
      decode: createSampleDecoder({ resize: 'none', fit: 'exact' }, turbojpeg()),
    };
    return await drawSheet(source, options);
  } finally {
    await shard.close();
  }
}

async function drawSheet(source: SampleSource, { count, seed }: SheetOptions): Promise<ContactSheet> {
  const { numSamples } = source;
  const order = createPermutation({ numSamples, seed, epoch: 0 });
  const ids = Array.from({ length: Math.min(count, numSamples) }, (_, i) => order.at(i)).sort((a, b) => a - b);
  const pictures: Promise<InterleavedImage>[] = [];
  const samples: SheetSample[] = [];
  source.read(ids, (datum, place) => {
    samples[place] = { sampleId: ids[place], key: source.keyOf(ids[place]), label: datum.label };
    pictures[place] = pictureOf(source.decode(datum));
  });
  const columns = Math.ceil(Math.sqrt(ids.length));
  return { png: await encodeContactSheet(await Promise.all(pictures), columns), samples, columns };
}

/** Has its own copy of the pixels by the time it first waits. */
async function pictureOf(made: SamplePixels | Promise<SamplePixels>): Promise<InterleavedImage> {
  const { shape, data } = made instanceof Promise ? await made : made;
  return toPicture(shape, data);
}

function turbojpeg(): Turbojpeg | undefined {
  return findTurbojpeg(readEnvironment().turbojpeg).turbojpeg;
}
