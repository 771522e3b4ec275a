/** Finding a dataset: by its name in the catalog, or in a user's own JSON or YAML file. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { messageOf, MillraceError, UsageError } from '../core/errors.js';
import { datasetSchema, type Dataset, type DatasetInput } from './dataset-schema.js';
import { ilsvrc2012 } from './entries/ilsvrc2012.js';
import { ilsvrc2012Sample } from './entries/ilsvrc2012-sample.js';
import { imagenette, imagenette160, imagenette320 } from './entries/imagenette.js';
import { sample } from './entries/sample.js';

const ENTRIES: readonly DatasetInput[] = [
  ilsvrc2012,
  imagenette,
  imagenette320,
  imagenette160,
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
  return parseDataset(text, path);
}

/** Parses a dataset file's text (YAML, of which JSON is a part). Throws UsageError naming each field that does not fit. */
export function parseDataset(text: string, path: string): Dataset {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    throw new UsageError('dataset', `${path} is neither JSON nor YAML: ${messageOf(error)}`, { cause: error });
  }
  const parsed = datasetSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `  ${issue.path.join('.') || '(top)'}: ${issue.message}`);
  throw new UsageError('dataset', `${path} does not describe a dataset:\n${problems.join('\n')}`);
}
