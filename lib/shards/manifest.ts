/**
 * The manifest of a split: which shards make it, what they hold and where it came from. Written last: it is the commit point,
 * and what it does not name does not exist. The zod schema is its definition and its error messages.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { codeOf, messageOf, MillraceError } from '../core/errors.js';
import type { SampleShape } from '../core/tensor.js';
import { writeFileAtomic } from '../platform/atomic-file.js';
import { MANIFEST_FILE } from '../platform/root-layout.js';
import { shardFactsSchema } from './shard-record.js';

const shapeSchema = z.strictObject({
  height: z.int().positive(),
  width: z.int().positive(),
  channels: z.int().positive(),
});

/** Options that decide the bytes of a split; a resume with others is refused. */
export const prepareOptionsSchema = z.strictObject({
  /** Side of the square that images are fitted to, in pixels. Absent: they keep their sizes. */
  size: z.int().positive().optional(),
  /**
   * `caffe`: OpenCV's INTER_LINEAR to the last bit. `area`: each pixel by the area that is covered of it, smoothed. `none`: as it
   * is.
   */
  resize: z.enum(['caffe', 'area', 'none']),
  /**
   * How an image of another shape is fitted to a square: `exact`: squeezed, aspect ratio not kept. `cover`: its largest square,
   * from the centre. `short-side`: whole, so that its shorter side is the square's. Manifests that do not say were made when
   * there was only `exact`.
   */
  fit: z.enum(['exact', 'cover', 'short-side']).default('exact'),
  /** With `area`: JPEGs may be decoded at a half, a quarter or an eighth of their sides. */
  decodeScale: z.literal(true).optional(),
  /** `ignore`: images are not turned as their EXIF says. */
  exif: z.literal('ignore').optional(),
  /** `reject`: JPEGs that are cut short are left out; else their missing part is grey. */
  truncated: z.literal('reject').optional(),
  /**
   * `raw`: resized pixels, planar B, G, R. `jpeg`: resized, then encoded. `mixed`: a share raw, the rest jpeg. `original`: the
   * file's own bytes, decoded and resized when they are served.
   */
  record: z.enum(['raw', 'jpeg', 'original', 'mixed']),
  /** Of `mixed`: the share of raw records, as `isStoredRaw` chooses them. */
  rawShare: z.number().min(0).max(1).optional(),
  /** Of `jpeg` and `mixed`: libjpeg's scale. */
  quality: z.int().min(1).max(100).optional(),
  /** Seed of the order of the records; null: as listed. */
  shuffleSeed: z.int().min(0).nullable(),
  /** Records planned for a shard, rejected ones included. */
  shardSamples: z.int().positive(),
});

const manifestSchema = z.strictObject({
  formatVersion: z.literal(1),
  dataset: z.string(),
  split: z.string(),
  /** Hash over the content digests and the shape: the same content is the same version. */
  version: z.string(),
  numSamples: z.int().positive(),
  numRejected: z.int().min(0),
  /** Of a sample as it is served, whatever form its record has. Null when samples differ in shape; there is no mean image then. */
  shape: shapeSchema.nullable(),
  shards: z
    .array(
      shardFactsSchema.extend({
        path: z.string().regex(/^[A-Za-z0-9._-]+$/),
        /** Of the data file. Only manifests that were made before the content digest was found to be enough have it. */
        sha256: z.string().optional(),
      }),
    )
    .min(1),
  /** By label: `classes[3]` is class 3. */
  classes: z.array(z.strictObject({ id: z.string(), name: z.string() })),
  /** Samples by label, as many numbers as there are classes. Absent when nobody counted, or some label is no class. */
  classCounts: z.array(z.int().min(0)).optional(),
  /** Grey levels, B, G, R. */
  channelMean: z.array(z.number()),
  channelStd: z.array(z.number()),
  source: z.strictObject({
    archives: z.array(z.strictObject({ file: z.string(), bytes: z.int(), md5: z.string() })),
  }),
  options: prepareOptionsSchema,
});

/** Of any split. */
export type AnyManifest = z.infer<typeof manifestSchema>;
/** Of a split whose samples have one shape. */
export type Manifest = AnyManifest & { readonly shape: SampleShape };
export type PrepareOptions = z.infer<typeof prepareOptionsSchema>;

export function hasOneShape(manifest: AnyManifest): manifest is Manifest {
  return manifest.shape !== null;
}

type SampleOptions = Pick<PrepareOptions, 'size' | 'resize' | 'fit' | 'decodeScale' | 'exif' | 'record'>;

/**
 * The version of a split: 32 hex digits of a SHA-256 over the shape of its samples and its shards' content digests in order, and,
 * where the records are originals, over how samples are made of them.
 */
export function versionOf(
  options: SampleOptions,
  shape: SampleShape | null,
  contentDigests: readonly string[],
): string {
  const hash = createHash('sha256').update(
    shape === null ? 'any\n' : `${shape.channels}x${shape.height}x${shape.width}\n`,
  );
  const { size, resize, fit, decodeScale, exif, record } = options;
  const made = [resize, fit, size, decodeScale, ...(exif === undefined ? [] : [exif])];
  if (record === 'original') hash.update(`${JSON.stringify(made)}\n`);
  for (const digest of contentDigests) hash.update(`${digest}\n`);
  return hash.digest('hex').slice(0, 32);
}

export async function writeManifest(folder: string, manifest: AnyManifest): Promise<void> {
  await writeFileAtomic(
    join(folder, MANIFEST_FILE),
    `${JSON.stringify(manifestSchema.parse(manifest), undefined, 2)}\n`,
  );
}

/**
 * The manifest in a split's folder; undefined when the split is not finished. Throws ERR_SHARD_CORRUPT naming field and file.
 * @param from where the folder is reached, when that is not its name
 */
export async function readManifest(folder: string, from = folder): Promise<AnyManifest | undefined> {
  const path = join(folder, MANIFEST_FILE);
  const fail = (what: string, cause?: unknown): MillraceError =>
    new MillraceError('ERR_SHARD_CORRUPT', `${path}: ${what}`, { cause, context: { path } });
  let text: string;
  try {
    text = await readFile(join(from, MANIFEST_FILE), 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw fail(`not JSON: ${messageOf(error)}`, error);
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw fail(`not a manifest of format version 1:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  const numSamples = data.shards.reduce((sum, shard) => sum + shard.numSamples, 0);
  if (numSamples !== data.numSamples) throw fail(`says ${data.numSamples} samples, but its shards hold ${numSamples}`);
  const numCounted = data.classCounts?.reduce((sum, count) => sum + count, 0) ?? numSamples;
  if (numCounted !== numSamples) throw fail(`says ${numSamples} samples, but its classes count ${numCounted}`);
  return data;
}
