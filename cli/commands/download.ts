import type { Command } from 'commander';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { findDataset } from '../../lib/catalog/catalog.js';
import { datasetSchema, type Archive } from '../../lib/catalog/dataset-schema.js';
import { UsageError } from '../../lib/core/errors.js';
import { formatBytes, formatDuration } from '../../lib/platform/progress.js';
import { readCredentials } from '../../services/downloader/credentials.js';
import {
  downloadArchives,
  selectArchives,
  type ArchiveSummary,
  type DownloadSummary,
} from '../../services/downloader/download-dataset.js';
import { proofText } from '../../services/downloader/expected-digest.js';
import { createRateLimit } from '../../services/downloader/rate-limit.js';
import { displayUrl, fileNameOf } from '../../services/downloader/source-url.js';
import { addConnectFlags, connectSchema, readConnectFlags } from '../connect-flags.js';
import { defineCommand, flagName, integerFlag, type CommandContext } from '../command.js';
import { rateFlag } from './rate-flag.js';

const schema = connectSchema.extend({
  source: z.string(),
  only: z.array(z.string()).optional(),
  all: z.boolean().default(false),
  baseUrl: z.url({ protocol: /^(https?|file)$/, error: 'expected an http(s) or file URL' }).optional(),
  md5: digestFlag(32).optional(),
  sha256: digestFlag(64).optional(),
  concurrency: integerFlag(1, 16).optional(),
  connections: integerFlag(1, 16).optional(),
  rate: rateFlag().optional(),
  preallocate: z.boolean().optional(),
  header: z.array(z.string()).optional(),
  cookie: z.array(z.string()).optional(),
  netrc: z.union([z.string(), z.literal(true)]).optional(),
  bearerFile: z.string().optional(),
  wait: z.boolean().optional(),
  service: z.string().regex(/:\d+$/, 'expected host:port').optional(),
});

/** Flags of a transfer that this process makes; a service has its own. */
const TRANSFER_FLAGS = [
  'concurrency',
  'connections',
  'rate',
  'preallocate',
  'header',
  'cookie',
  'netrc',
  'bearerFile',
  'wait',
] as const;

function digestFlag(numDigits: number) {
  return z
    .string()
    .toLowerCase()
    .regex(new RegExp(`^[0-9a-f]{${numDigits}}$`), `expected ${numDigits} hex digits`);
}

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
      "millrace download https://example.org/images.tar --header 'X-Token: …' --rate 20M   # behind a login, at 20 MB/s",
    ],
    flags: (command) =>
      addConnectFlags(
        command
          .option('--only <file...>', 'just these archives, optional ones too')
          .option('--all', 'the optional archives too')
          .option('--base-url <url>', 'fetch each archive from <url>/<file>')
          .option('--md5 <hex>', 'the digest to expect, when <source> is a URL')
          .option('--sha256 <hex>', 'the same, of another kind')
          .option('--concurrency <count>', 'archives at a time (default: 2)')
          .option('--connections <count>', 'connections for one large archive (default: 4)')
          .option('--rate <bytes/s>', 'the most that comes over all connections together, e.g. 20M (default: no limit)')
          .option('--preallocate', 'set the room for each archive aside before its first byte')
          .option('--header <line...>', '"Name: value", sent to the host of the URL only')
          .option('--cookie <text...>', '"name=value", sent to the host of the URL only')
          .option('--netrc [file]', 'logins by host (default file: ~/.netrc)')
          .option('--bearer-file <file>', 'file that holds a bearer token for the host of the URL')
          .option('--wait', 'wait for another process that fetches the same archive')
          .option(
            '--service <host:port>',
            'let a "millrace downloader serve" fetch them to its own root, and watch it',
          ),
        'service',
      ),
    schema,
    async action(options, context) {
      const archives = await archivesOf(options);
      const { service } = options;
      const summary =
        service === undefined
          ? await downloadHere(options, archives, context)
          : await downloadThere(service, options, archives, context);
      context.result({ ...summary }, describe(summary.archives, archives));
    },
  });
}

type Options = z.output<typeof schema>;

async function downloadHere(
  options: Options,
  archives: readonly Archive[],
  { root, environment, reporter, signal }: CommandContext,
): Promise<DownloadSummary> {
  const { concurrency = 2, wait = false, preallocate = false, connections } = options;
  return downloadArchives(archives, {
    ...{ root, reporter, signal, concurrency, wait },
    credentials: await credentialsOf(options, archives),
    proxy: environment.proxy,
    rateLimit: createRateLimit(options.rate),
    // Who asks for a number of connections wants so many, however fast the first one is.
    transfer: { preallocate, ...(connections !== undefined && { connections, enoughBytesPerSecond: Infinity }) },
  });
}

async function downloadThere(
  service: string,
  options: Options,
  archives: readonly Archive[],
  { reporter, signal }: CommandContext,
): Promise<DownloadSummary> {
  const flag = TRANSFER_FLAGS.find((name) => options[name] !== undefined);
  if (flag !== undefined) {
    throw new UsageError(
      '--service',
      `--service: ${flagName(flag)} belongs to a transfer of this process; set it where the service runs`,
    );
  }
  const credentials = await readConnectFlags(options);
  // Loaded only then: gRPC takes as long to load as all the rest.
  const { downloadThroughService } = await import('../../services/downloader/service/client.js');
  return downloadThroughService({ service, archives, reporter, signal, ...credentials });
}

async function archivesOf(options: Options): Promise<Archive[]> {
  const { source, only, all, baseUrl, md5, sha256 } = options;
  if (/^(https?|file):/.test(source)) {
    if (only !== undefined || all || baseUrl !== undefined) {
      throw new UsageError('<source>', '<source>: --only, --all and --base-url go with a dataset, not with a URL');
    }
    return [archiveOfUrl(source, { md5, sha256 })];
  }
  const digest = md5 !== undefined ? '--md5' : sha256 !== undefined ? '--sha256' : undefined;
  if (digest !== undefined) {
    throw new UsageError(
      digest,
      `${digest} goes with a URL; the digests of a dataset stand in its entry of the catalog`,
    );
  }
  return selectArchives(await findDataset(source), { files: only, includeOptional: all, baseUrl });
}

function credentialsOf(options: Options, archives: readonly Archive[]) {
  const { header: headers, cookie, netrc, bearerFile } = options;
  return readCredentials({
    urls: archives.flatMap(({ urls }) => urls),
    headers,
    cookie: cookie?.join('; '),
    bearerFile,
    netrcFile: netrc === true ? join(homedir(), '.netrc') : netrc,
  });
}

function archiveOfUrl(url: string, digests: Pick<Options, 'md5' | 'sha256'>): Archive {
  const parsed = datasetSchema.shape.archives.safeParse([{ file: fileNameOf(url), urls: [url], ...digests }]);
  if (parsed.success) return parsed.data[0];
  const shown = URL.canParse(url) ? displayUrl(url) : 'none';
  throw new UsageError('<source>', `<source>: expected a URL whose path ends in a file name, got ${shown}`);
}

function describe(summaries: readonly ArchiveSummary[], archives: readonly Archive[]): string {
  const width = Math.max(...summaries.map(({ file }) => file.length), 0);
  const proofOf = ({ file, md5 }: ArchiveSummary): string => {
    const archive = archives.find((other) => other.file === file);
    return archive === undefined ? `MD5 ${md5}` : proofText(archive, md5);
  };
  if (summaries.length === 0) return 'nothing to fetch: folders stay where they are';
  return summaries
    .map((summary) => {
      const { file, bytes, bytesFetched, resumedAt, seconds } = summary;
      return [
        file.padEnd(width),
        formatBytes(bytes).padStart(9),
        proofOf(summary),
        bytesFetched === 0 ? 'was there' : `fetched ${formatBytes(bytesFetched)} in ${formatDuration(seconds)}`,
        ...(resumedAt.length > 0 ? [`resumed at ${resumedAt.map(formatBytes).join(', ')}`] : []),
      ].join('  ');
    })
    .join('\n');
}
