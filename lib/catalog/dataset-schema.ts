/**
 * A dataset as data: its archives, where its splits lie in them, where its labels come from. The entries of the catalog and a
 * user's own JSON or YAML file have this one shape; the zod schema is its definition and its error messages.
 */
import { z } from 'zod';

/** Names become folder and file names, so they hold nothing that a path could be made of. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" or "-", beginning with a letter or digit');

const archiveSchema = z.strictObject({
  /** Name under `<root>/archives`. */
  file: name,
  /** Where to fetch it, best first. Empty: to be placed by hand. */
  urls: z.array(z.url({ protocol: /^(https?|file)$/, error: 'expected an http(s) or file URL' })).default([]),
  /** Length in bytes, when known. */
  bytes: z.int().positive().optional(),
  /** MD5 of the whole file, 32 hex digits, lower case. */
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'expected 32 lower-case hex digits')
    .optional(),
  /** Fetched only when named: not needed for the splits. */
  optional: z.boolean().default(false),
  /** One line for people. */
  about: z.string().optional(),
});

/** A text file: a file of the catalog itself, or a member of one of its (gzipped) tar archives. */
const textSourceSchema = z.strictObject({ archive: name, member: z.string().optional() });

const splitSchema = z.strictObject({
  /** The archive with the split's images. */
  archive: name,
  /** `tar`: images in one tar. `tar-of-tars`: one tar a class, each named `<class id>.tar`, as ILSVRC's train archive. */
  layout: z.enum(['tar', 'tar-of-tars']),
  /** Only members below this folder, e.g. "imagenette2/train/"; the rest of the name is the record's name. */
  prefix: z.string().default(''),
  /**
   * `list`: a Caffe list (`<name> <label>` a line), which gives the order too. `folder`: the class is the first folder of the
   * name (the inner tar's name in a tar of tars), its label the id's place in `classes`, or among the sorted ids.
   */
  labels: z.discriminatedUnion('from', [
    z.strictObject({ from: z.literal('list'), list: textSourceSchema }),
    z.strictObject({ from: z.literal('folder') }),
  ]),
});

/** How a dataset is made into shards when nobody says otherwise. */
const prepareDefaultsSchema = z.strictObject({
  /** Side of the stored square image in pixels. */
  size: z.int().min(1).max(8192).default(256),
});

const trainDefaultsSchema = z.strictObject({
  /** Side of the crop in pixels. */
  cropSize: z.int().positive().default(227),
  batchSize: z.int().positive().default(256),
  numSteps: z.int().positive(),
  learningRate: z.number().positive().default(0.01),
});

export const datasetSchema = z
  .strictObject({
    name,
    /** One line for people. */
    about: z.string(),
    homepage: z.url().optional(),
    /** What one has to agree to or sign up for, when anything. */
    terms: z.string().optional(),
    archives: z.array(archiveSchema).min(1),
    /** `<id> <words>` a line, or ids alone; the line number is the label. */
    classes: textSourceSchema.optional(),
    splits: z.record(name, splitSchema),
    prepare: prepareDefaultsSchema.default({ size: 256 }),
    /** Settings of the short training run that `millrace run` ends with. */
    train: trainDefaultsSchema.default({ cropSize: 227, batchSize: 32, numSteps: 20, learningRate: 0.01 }),
  })
  .superRefine((dataset, context) => {
    const files = new Set(dataset.archives.map((archive) => archive.file));
    const check = (file: string | undefined, path: (string | number)[]): void => {
      if (file !== undefined && !files.has(file)) {
        context.addIssue({ code: 'custom', path, message: `"${file}" is not among the archives` });
      }
    };
    check(dataset.classes?.archive, ['classes', 'archive']);
    for (const [splitName, split] of Object.entries(dataset.splits)) {
      check(split.archive, ['splits', splitName, 'archive']);
      if (split.labels.from === 'list') {
        check(split.labels.list.archive, ['splits', splitName, 'labels', 'list', 'archive']);
      }
    }
  });

export type Dataset = z.infer<typeof datasetSchema>;
export type DatasetInput = z.input<typeof datasetSchema>;
export type Archive = Dataset['archives'][number];
export type SplitSource = Dataset['splits'][string];
export type TextSource = z.infer<typeof textSourceSchema>;
