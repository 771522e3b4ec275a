import type { Command } from 'commander';
import { z } from 'zod';
import { findDataset } from '../../lib/catalog/catalog.js';
import { datasetSchema, type Archive } from '../../lib/catalog/dataset-schema.js';
import { UsageError } from '../../lib/core/errors.js';
import { formatBytes, formatDuration } from '../../lib/platform/progress.js';
import { downloadArchives, selectArchives, type ArchiveSummary } from '../../services/downloader/download-dataset.js';
import { defineCommand, integerFlag } from '../command.js';

const schema = z.object({
  source: z.string(),
  only: z.array(z.string()).optional(),
  all: z.boolean().default(false),
  baseUrl: z.url({ protocol: /^(https?|file)$/, error: 'expected an http(s) or file URL' }).optional(),
  md5: z
    .string()
    .toLowerCase()
    .regex(/^[0-9a-f]{32}$/, 'expected 32 hex digits')
    .optional(),
  concurrency: integerFlag(1, 16).default(2),
  wait: z.boolean().default(false),
});

/** `millrace download <dataset>`: brings archives to `<root>/archives`, going on with what an earlier run left. */
export function addDownloadCommand(program: Command): void {
  defineCommand(program, {
    usage: 'download <source>',
    summary: 'fetch and verify the archives of a dataset (of the catalog, or of a file of your own), or one URL',
    examples: [
      'millrace download imagenette-320',
      'millrace download ilsvrc2012 --only ILSVRC2012_img_val.tar',
      'millrace download ilsvrc2012 --base-url http://mirror.local/imagenet   # archives from a mirror of yours',
      'millrace download https://example.org/images.tar --md5 1d675b47d978889d74fa0da5fadfb00e',
    ],
    flags: (command) =>
      command
        .option('--only <file...>', 'just these archives, optional ones too')
        .option('--all', 'the optional archives too')
        .option('--base-url <url>', 'fetch each archive from <url>/<file>')
        .option('--md5 <hex>', 'the digest to expect, when <source> is a URL')
        .option('--concurrency <count>', 'archives at a time (default: 2)')
        .option('--wait', 'wait for another process that fetches the same archive'),
    schema,
    async action(options, { root, reporter, signal, result }) {
      const archives = await archivesOf(options);
      const { concurrency, wait } = options;
      const summary = await downloadArchives(archives, { root, reporter, signal, concurrency, wait });
      result({ ...summary }, describe(summary.archives));
    },
  });
}

async function archivesOf(options: z.output<typeof schema>): Promise<Archive[]> {
  const { source, only, all, baseUrl, md5 } = options;
  if (/^(https?|file):/.test(source)) {
    if (only !== undefined || all || baseUrl !== undefined) {
      throw new UsageError('<source>', '<source>: --only, --all and --base-url go with a dataset, not with a URL');
    }
    return [archiveOfUrl(source, md5)];
  }
  if (md5 !== undefined) {
    throw new UsageError('--md5', '--md5 goes with a URL; the digests of a dataset stand in its entry of the catalog');
  }
  return selectArchives(await findDataset(source), { files: only, includeOptional: all, baseUrl });
}

function archiveOfUrl(url: string, md5: string | undefined): Archive {
  const file = URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '') : '';
  const parsed = datasetSchema.shape.archives.safeParse([{ file, urls: [url], md5 }]);
  if (parsed.success) return parsed.data[0];
  throw new UsageError('<source>', `<source>: expected a URL whose path ends in a file name, got "${url}"`);
}

function describe(archives: readonly ArchiveSummary[]): string {
  const width = Math.max(...archives.map(({ file }) => file.length), 0);
  return archives
    .map(({ file, bytes, bytesFetched, resumedAt, md5, isVerified, seconds }) =>
      [
        file.padEnd(width),
        formatBytes(bytes).padStart(9),
        `MD5 ${md5} ${isVerified ? 'verified' : 'found, none known to compare with'}`,
        bytesFetched === 0 ? 'was there' : `fetched ${formatBytes(bytesFetched)} in ${formatDuration(seconds)}`,
        ...(resumedAt.length > 0 ? [`resumed at ${resumedAt.map(formatBytes).join(', ')}`] : []),
      ].join('  '),
    )
    .join('\n');
}
