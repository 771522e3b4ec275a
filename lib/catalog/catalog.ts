/** Finding a dataset: by its name in the catalog, or in a user's own JSON or YAML file. */
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { messageOf, MillraceError, UsageError } from '../core/errors.js';
import { datasetSchema, type Dataset, type DatasetInput } from './dataset-schema.js';
import { cifar10 } from './entries/cifar10.js';
import { ilsvrc2012 } from './entries/ilsvrc2012.js';
import { ilsvrc2012Sample } from './entries/ilsvrc2012-sample.js';
import { imagenette, imagenette160, imagenette320 } from './entries/imagenette.js';
import { imagewoof, imagewoof160, imagewoof320 } from './entries/imagewoof.js';
import { sample } from './entries/sample.js';

const ENTRIES: readonly DatasetInput[] = [
  ilsvrc2012,
  imagenette,
  imagenette320,
  imagenette160,
  imagewoof,
  imagewoof320,
  imagewoof160,
  cifar10,
  sample,
  ilsvrc2012Sample,
];

/** The datasets that Millrace knows, by name. */
export function catalogEntries(): Dataset[] {
  return ENTRIES.map((entry) => datasetSchema.parse(entry));
}

/**
 * The dataset that `nameOrFile` means: an entry of the catalog, or a file that ends in .json, .yaml or .yml.
 * Throws UsageError when there is no such entry or the file does not fit the schema (naming each field), ERR_NOT_FOUND when
 * there is no such file.
 */
export async function findDataset(nameOrFile: string): Promise<Dataset> {
  if (['.json', '.yaml', '.yml'].includes(extname(nameOrFile))) return readDatasetFile(nameOrFile);
  const entry = catalogEntries().find((dataset) => dataset.name === nameOrFile);
  if (entry === undefined) {
    const known = ENTRIES.map((dataset) => dataset.name).join(', ');
    throw new UsageError(
      'dataset',
      `unknown dataset "${nameOrFile}"; expected one of ${known}, or the path of a .json or .yaml file that describes one`,
    );
  }
  return entry;
}

async function readDatasetFile(path: string): Promise<Dataset> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new MillraceError('ERR_NOT_FOUND', `cannot read the dataset file ${path}: ${messageOf(error)}`, {
      cause: error,
      context: { path },
    });
  }
  const dataset = parseDataset(text, path);
  const archives = dataset.archives.map((archive) =>
    archive.folder === undefined ? archive : { ...archive, folder: resolve(dirname(path), archive.folder) },
  );
  return { ...dataset, archives };
}

/**
 * Parses a dataset file's text (YAML, of which JSON is a part). Throws UsageError naming file, line and field of everything that
 * does not fit.
 */
export function parseDataset(text: string, path: string): Dataset {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  let value: unknown;
  try {
    if (document.errors.length > 0) throw document.errors[0];
    value = document.toJS();
  } catch (error) {
    throw new UsageError('dataset', `${path} is neither JSON nor YAML: ${messageOf(error)}`, { cause: error });
  }
  const parsed = datasetSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path: field, message, ...issue }) => {
    const line = lineOf(document, lines, field);
    const what = isMissing(document, field) && issue.code !== 'custom' ? 'this field is missing' : message;
    return `  ${path}:${line}: ${field.join('.') || '(top)'}: ${what}`;
  });
  throw new UsageError(
    'dataset',
    `${path} does not describe a dataset ("millrace catalog schema" shows what does):\n${problems.join('\n')}`,
  );
}

type FieldPath = z.core.$ZodIssue['path'];

function isMissing(document: Document, field: FieldPath): boolean {
  return field.length > 0 && !document.hasIn(field);
}

/** The line, from 1, of a field, or of the innermost of its parents that is there. */
function lineOf(document: Document, lines: LineCounter, field: FieldPath): number {
  for (let length = field.length; length >= 0; length--) {
    const node: unknown = document.getIn(field.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
