/**
 * A dataset as data: its archives, where its splits lie in them, where its labels come from. The entries of the catalog and a
 * user's own JSON or YAML file have this one shape; the zod schema is its definition, its documentation and its error messages.
 */
import { z } from 'zod';

/** Names become folder and file names, so they hold nothing that a path could be made of. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected letters, digits, ".", "_" or "-", beginning with a letter or digit');

/** `<file>.part`, its lock and its proof lie beside it: none of them may be another archive, and their names must fit, too. */
const fileName = name
  .max(200, 'expected at most 200 characters')
  .regex(
    /^(?!.*\.(part(\.json|\.live)?|lock|index|verified\.json|corrupt-\d+)$)/,
    'expected another ending: .part, .lock, .index, .verified.json and .corrupt-1 are of files that are kept beside an archive',
  );

function hexDigest(numDigits: number) {
  return z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${numDigits}}$`), `expected ${numDigits} lower-case hex digits`)
    .optional();
}

const archiveSchema = z.strictObject({
  file: fileName.describe('Name of the file under <root>/archives; of a folder, any name.'),
  urls: z
    .array(z.url({ protocol: /^(https?|file)$/, error: 'expected an http(s) or file URL' }))
    .default([])
    .describe('Where to fetch it, best first. Empty: to be placed by hand.'),
  bytes: z.int().positive().optional().describe('Length in bytes, when known.'),
  md5: hexDigest(32).describe('MD5 of the whole file.'),
  sha1: hexDigest(40).describe('SHA-1 of the whole file.'),
  sha256: hexDigest(64).describe('SHA-256 of the whole file.'),
  folder: z
    .string()
    .min(1)
    .optional()
    .describe('A folder of files in place of the file: its path, from the dataset file. Nothing of it is fetched.'),
  optional: z.boolean().default(false).describe('Fetched only when named; a split in it is prepared only when named.'),
  about: z.string().optional().describe('One line for people.'),
});

const textSourceSchema = z
  .strictObject({
    archive: name.describe('The text file itself, or the archive that holds it: one of the archives.'),
    member: z.string().min(1).optional().describe('Path of the text in the archive.'),
  })
  .describe('A text: a file of its own, or a member of a tar, gzipped tar or zip.');

const labelsSchema = z
  .discriminatedUnion('from', [
    z.strictObject({ from: z.literal('list'), list: textSourceSchema }),
    z.strictObject({ from: z.literal('folder') }),
  ])
  .describe(
    'list: a Caffe list ("<name> <label>" a line), which gives the order too. folder: the class is the first folder of the ' +
      "name (the inner tar's name in a nested layout), its label the id's line in `classes`, or its place among the sorted ids.",
  );

const annotationsSchema = z
  .strictObject({
    boxes: z
      .strictObject({
        archive: name,
        prefix: z.string().default('').describe('Folder of the archive that stands for that of the images.'),
      })
      .optional()
      .describe('Bounding boxes: PASCAL VOC XML files, <name>.xml for <name>.JPEG.'),
    developmentKit: name
      .optional()
      .describe("An ILSVRC development kit, whose ground truth of the split must agree with the split's list."),
  })
  .describe('What comes beside the images; looked at by "millrace catalog check".');

const splitSchema = z.strictObject({
  archive: name.describe("The archive with the split's images: a .tar, .tar.gz, .tgz, .zip, or a folder."),
  layout: z
    .enum(['flat', 'nested'])
    .default('flat')
    .describe("flat: images by their names. nested: a tar of tars named <class id>.tar, as ILSVRC's train archive."),
  prefix: z
    .string()
    .default('')
    .describe('Only members below this folder, e.g. "imagenette2/train/"; the rest of the name is the record\'s name.'),
  labels: labelsSchema,
  annotations: annotationsSchema.optional(),
});

const prepareDefaultsSchema = z
  .strictObject({
    size: z.int().min(1).max(8192).default(256).describe('Side of the stored square image in pixels.'),
  })
  .describe('How the dataset is made into shards when nobody says otherwise.');

const trainDefaultsSchema = z
  .strictObject({
    cropSize: z.int().positive().default(227).describe('Side of the crop in pixels.'),
    batchSize: z.int().positive().default(256),
    numSteps: z.int().positive(),
    learningRate: z.number().positive().default(0.01),
  })
  .describe('Settings of the training run that "millrace run" ends with.');

export const datasetSchema = z
  .strictObject({
    name: name.describe('What commands call it, and the name of its folder under <root>/datasets.'),
    about: z.string().describe('One line for people.'),
    homepage: z.url().optional(),
    terms: z.string().optional().describe('What one has to agree to or sign up for, when anything.'),
    archives: z.array(archiveSchema).min(1),
    classes: textSourceSchema
      .optional()
      .describe('"<id> <words>" a line, or ids alone; the line number, from 0, is the label.'),
    splits: z.record(name, splitSchema),
    prepare: prepareDefaultsSchema.default({ size: 256 }),
    train: trainDefaultsSchema.default({ cropSize: 227, batchSize: 32, numSteps: 20, learningRate: 0.01 }),
  })
  .superRefine(({ archives, classes, splits }, context) => {
    const issue = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    const files = new Set<string>();
    const folders = new Set<string>();
    for (const [index, archive] of archives.entries()) {
      const { file } = archive;
      if (files.has(file)) issue(['archives', index, 'file'], `"${file}" is there twice`);
      files.add(file);
      if (archive.folder === undefined) continue;
      folders.add(file);
      const { urls, bytes, md5, sha1, sha256 } = archive;
      const isFile = urls.length > 0 || [bytes, md5, sha1, sha256].some((fact) => fact !== undefined);
      if (isFile) issue(['archives', index, 'folder'], 'a folder has no URLs, length or digests');
    }
    const known = [...files].join(', ');
    const refer = (path: string[], file: string | undefined): void => {
      if (file !== undefined && !files.has(file)) issue(path, `"${file}" is not among the archives (${known})`);
    };
    refer(['classes', 'archive'], classes?.archive);
    for (const [splitName, { archive, layout, labels, annotations }] of Object.entries(splits)) {
      const path = ['splits', splitName];
      refer([...path, 'archive'], archive);
      if (labels.from === 'list') refer([...path, 'labels', 'list', 'archive'], labels.list.archive);
      refer([...path, 'annotations', 'boxes', 'archive'], annotations?.boxes?.archive);
      refer([...path, 'annotations', 'developmentKit'], annotations?.developmentKit);
      if (layout === 'nested' && (archive.endsWith('.zip') || folders.has(archive))) {
        issue([...path, 'layout'], 'only tars can be nested: of a zip or folder, inner tars would have to be unpacked');
      }
      for (const beside of [annotations?.boxes?.archive, annotations?.developmentKit]) {
        if (beside !== undefined && folders.has(beside)) issue([...path, 'annotations'], `"${beside}" is a folder`);
      }
    }
  });

export type Dataset = z.infer<typeof datasetSchema>;
export type DatasetInput = z.input<typeof datasetSchema>;
export type Archive = Dataset['archives'][number];
export type SplitSource = Dataset['splits'][string];
export type TextSource = z.infer<typeof textSourceSchema>;

/** The splits that "all" means: not those whose images are in an archive that is fetched only when named. */
export function defaultSplits({ archives, splits }: Dataset): string[] {
  const optional = new Set(archives.filter((archive) => archive.optional).map(({ file }) => file));
  return Object.keys(splits).filter((split) => !optional.has(splits[split].archive));
}

/** The JSON Schema (2020-12) of a dataset file, for editors and other programs. */
export function datasetJsonSchema(): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(datasetSchema, { io: 'input' });
}
