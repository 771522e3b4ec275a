/** Finding a dataset: by its name in the catalog, or in a user's own JSON or YAML file. */
import { extname } from 'node:path';
import { UsageError } from '../core/errors.js';
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
  if (['.json', '.yaml', '.yml'].includes(extname(nameOrFile))) {
    // Loaded only then: the parser takes as long to load as the rest of a command.
    const { readDatasetFile } = await import('./dataset-file.js');
    return readDatasetFile(nameOrFile);
  }
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
