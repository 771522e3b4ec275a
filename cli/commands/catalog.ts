import type { Command } from 'commander';
import { z } from 'zod';
import { catalogEntries, findDataset } from '../../lib/catalog/catalog.js';
import { datasetJsonSchema, type Dataset } from '../../lib/catalog/dataset-schema.js';
import { MillraceError } from '../../lib/core/errors.js';
import { formatBytes } from '../../lib/platform/progress.js';
import { checkDataset, type BoxCheck, type SplitCheck } from '../../workers/check-dataset.js';
import { defineCommand } from '../command.js';

/** Disagreements that are printed; a list that is not the kit's own disagrees in every line. */
const PROBLEMS_SHOWN = 10;

/** `millrace catalog [dataset]`: the datasets that Millrace knows, or one of them in full; with its own `schema` and `check`. */
export function addCatalogCommand(program: Command): void {
  // Else the flags of `check` and `schema` would be taken for those of `catalog`.
  program.enablePositionalOptions();
  defineCommand(program, {
    usage: 'catalog [dataset]',
    summary: 'list the known datasets, or show one of them (or of a file of your own) in full',
    examples: [
      'millrace catalog',
      'millrace catalog ilsvrc2012',
      'millrace catalog my-images.yaml --json',
      'millrace catalog schema > dataset.schema.json',
      'millrace catalog check ilsvrc2012',
    ],
    flags(command) {
      command.enablePositionalOptions();
      addSchemaCommand(command);
      addCheckCommand(command);
    },
    schema: z.object({ dataset: z.string().optional() }),
    async action({ dataset }, { result }) {
      if (dataset === undefined) {
        const entries = catalogEntries();
        result({ datasets: entries }, entries.map((entry) => `${entry.name.padEnd(20)} ${entry.about}`).join('\n'));
        return;
      }
      const entry = await findDataset(dataset);
      result({ ...entry }, describe(entry));
    },
  });
}

/** `millrace catalog schema` */
function addSchemaCommand(catalog: Command): void {
  defineCommand(catalog, {
    usage: 'schema',
    summary: 'print the JSON Schema of a dataset file, for editors and other programs',
    examples: ['millrace catalog schema > dataset.schema.json'],
    schema: z.object({}),
    action(_options, { result }) {
      const schema = datasetJsonSchema();
      result({ schema }, JSON.stringify(schema, undefined, 2));
      return Promise.resolve();
    },
  });
}

/** `millrace catalog check <dataset>` */
function addCheckCommand(catalog: Command): void {
  defineCommand(catalog, {
    usage: 'check <dataset>',
    summary: "compare a dataset's sources of labels with each other, and join its bounding boxes to its images",
    examples: ['millrace catalog check ilsvrc2012   # reads the development kit and the boxes that were fetched'],
    schema: z.object({ dataset: z.string() }),
    async action({ dataset: nameOrFile }, { root, reporter, signal, result }) {
      const dataset = await findDataset(nameOrFile);
      const splits = await checkDataset(dataset, { root, reporter, signal });
      const problems = splits.flatMap(({ split, labels }) =>
        (labels?.problems ?? []).map((problem) => `  ${dataset.name}/${split}: ${problem}`),
      );
      if (problems.length > 0) {
        const more = problems.length > PROBLEMS_SHOWN ? [`  … and ${problems.length - PROBLEMS_SHOWN} more`] : [];
        throw new MillraceError(
          'ERR_VERIFICATION',
          `the sources of ${dataset.name}'s labels disagree:\n${[...problems.slice(0, PROBLEMS_SHOWN), ...more].join('\n')}`,
          { context: { problems: problems.length } },
        );
      }
      const lines = splits.flatMap((check) => describeCheck(dataset, check));
      result(
        { dataset: dataset.name, splits },
        lines.length > 0 ? lines.join('\n') : `${dataset.name} has nothing besides its labels to compare them with`,
      );
    },
  });
}

function describeCheck(dataset: Dataset, { split, labels, boxes, absent }: SplitCheck): string[] {
  const title = `${dataset.name}/${split}`;
  const lines: string[] = [];
  if (labels !== undefined) lines.push(`${title}: labels and ground truth agree on ${labels.numImages} images`);
  if (boxes !== undefined) lines.push(`${title}: ${describeBoxes(boxes)}`);
  for (const file of absent) {
    lines.push(`${title}: ${file} is not there; fetch it with "millrace download ${dataset.name} --only ${file}"`);
  }
  return lines;
}

function describeBoxes({ numFiles, numBoxes, numImages, numImagesWithBoxes, mends }: BoxCheck): string {
  const join = numImages === undefined ? '' : `, of ${numImagesWithBoxes} of ${numImages} images`;
  const counts = [
    `${mends.numSwapped} swapped`,
    `${mends.numClipped} clipped`,
    `${mends.numDropped} dropped`,
    `${mends.numNamedByWords} named by words`,
    `${mends.numUnknownClasses} of no known class`,
    `${mends.numOtherFilenames} files under another name`,
  ];
  return `${numBoxes} boxes in ${numFiles} annotations${join}; ${counts.join(', ')}`;
}

function describe(dataset: Dataset): string {
  const lines = [`${dataset.name}: ${dataset.about}`];
  if (dataset.homepage !== undefined) lines.push(`  from   ${dataset.homepage}`);
  if (dataset.terms !== undefined) lines.push(`  terms  ${dataset.terms}`);
  lines.push('', 'archives');
  for (const { file, bytes, md5, sha1, sha256, optional, about, urls, folder } of dataset.archives) {
    if (folder !== undefined) {
      lines.push(`  ${file}  (the folder ${folder})`);
      continue;
    }
    const digests = Object.entries({ MD5: md5, 'SHA-1': sha1, 'SHA-256': sha256 })
      .filter(([, digest]) => digest !== undefined)
      .map(([name, digest]) => `${name} ${digest}`);
    const facts = [
      bytes === undefined ? 'size unknown' : formatBytes(bytes),
      ...(digests.length > 0 ? digests : ['no digest known']),
      ...(optional ? ['optional'] : []),
    ];
    lines.push(`  ${file}  (${facts.join(', ')})`);
    if (about !== undefined) lines.push(`    ${about}`);
    lines.push(...(urls.length > 0 ? urls.map((url) => `    ${url}`) : ['    to be placed by hand']));
  }
  lines.push('', 'splits');
  for (const [name, { archive, layout, labels, annotations }] of Object.entries(dataset.splits)) {
    const facts = [
      layout === 'nested' ? `a tar of tars, ${archive}` : archive,
      labels.from === 'list' ? `labels from ${labels.list.member ?? labels.list.archive}` : 'labels from folders',
      ...(annotations?.boxes === undefined ? [] : [`boxes in ${annotations.boxes.archive}`]),
    ];
    lines.push(`  ${name}  ${facts.join(', ')}`);
  }
  return lines.join('\n');
}
