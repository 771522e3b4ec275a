import type { Command } from 'commander';
import { z } from 'zod';
import { catalogEntries, findDataset } from '../../lib/catalog/catalog.js';
import type { Dataset } from '../../lib/catalog/dataset-schema.js';
import { formatBytes } from '../../lib/platform/progress.js';
import { defineCommand } from '../command.js';

/** `millrace catalog [dataset]`: the datasets that Millrace knows, or one of them in full. */
export function addCatalogCommand(program: Command): void {
  defineCommand(program, {
    usage: 'catalog [dataset]',
    summary: 'list the known datasets, or show one of them (or of a file of your own) in full',
    examples: ['millrace catalog', 'millrace catalog ilsvrc2012', 'millrace catalog my-images.yaml --json'],
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

function describe(dataset: Dataset): string {
  const lines = [`${dataset.name}: ${dataset.about}`];
  if (dataset.homepage !== undefined) lines.push(`  from   ${dataset.homepage}`);
  if (dataset.terms !== undefined) lines.push(`  terms  ${dataset.terms}`);
  lines.push('', 'archives');
  for (const { file, bytes, md5, optional, about, urls } of dataset.archives) {
    const size = bytes === undefined ? 'size unknown' : formatBytes(bytes);
    lines.push(
      `  ${file}  (${size}, ${md5 === undefined ? 'no MD5 known' : `MD5 ${md5}`}${optional ? ', optional' : ''})`,
    );
    if (about !== undefined) lines.push(`    ${about}`);
    lines.push(...(urls.length > 0 ? urls.map((url) => `    ${url}`) : ['    to be placed by hand']));
  }
  lines.push('', 'splits');
  for (const [name, split] of Object.entries(dataset.splits)) {
    const labels =
      split.labels.from === 'list'
        ? `labels from ${split.labels.list.member ?? split.labels.list.archive}`
        : 'labels from folders';
    lines.push(`  ${name}  ${split.layout} in ${split.archive}, ${labels}`);
  }
  return lines.join('\n');
}
