/** `millrace downloader list`, `pause`, `resume`, `cancel`, `rate`: what a running service is told. */
import type { Command } from 'commander';
import { z } from 'zod';
import { formatBytes, formatCount } from '../../lib/platform/progress.js';
import type { Job } from '../../protos/gen/millrace/v1/download.js';
import { DownloadControl, stateName } from '../../services/downloader/service/control.js';
import { defineCommand, type CommandContext } from '../command.js';
import { addConnectFlags, connectSchema, readConnectFlags } from '../connect-flags.js';
import { rateFlag } from './rate-flag.js';

const DEFAULT_SERVICE = '127.0.0.1:50052';

const serviceSchema = connectSchema.extend({
  service: z.string().regex(/:\d+$/, 'expected host:port').default(DEFAULT_SERVICE),
});
const filesSchema = serviceSchema.extend({ files: z.array(z.string()) });

function addServiceFlags(command: Command): Command {
  return addConnectFlags(
    command.option('--service <host:port>', `where the service listens (default: ${DEFAULT_SERVICE})`),
    'service',
  );
}

/** Adds the commands to `downloader`. */
export function addControlCommands(downloader: Command): void {
  defineCommand(downloader, {
    usage: 'list',
    summary: 'say what is in the queue of a running service',
    examples: ['millrace downloader list', 'millrace downloader list --service feeder:50052 --json'],
    flags: addServiceFlags,
    schema: serviceSchema,
    action: (options, { result }) =>
      withControl(options, async (control) => {
        const { jobs, bytesPerSecond } = await control.list();
        const limit = bytesPerSecond === 0 ? 'no limit of the rate' : `at most ${formatBytes(bytesPerSecond)}/s`;
        const lines = [...describe(jobs), `${formatCount(jobs.length, 'job')}, ${limit}`];
        result({ jobs: jobs.map(plain), bytesPerSecond }, lines.join('\n'));
      }),
  });
  addFilesCommand(downloader, 'pause', '[files...]', 'hold jobs of a running service (default: all that run or wait)');
  addFilesCommand(downloader, 'resume', '[files...]', 'let jobs go on (default: all that are held)');
  addFilesCommand(downloader, 'cancel', '<files...>', 'end jobs; what has come of them is kept');
  defineCommand(downloader, {
    usage: 'rate [bytes-per-second]',
    summary: 'limit the rate of all transfers of a running service together, or lift the limit',
    examples: ['millrace downloader rate 20M', 'millrace downloader rate      # no limit any more'],
    flags: addServiceFlags,
    schema: serviceSchema.extend({ bytesPerSecond: rateFlag().optional() }),
    action: ({ bytesPerSecond: rate, ...options }, { result }) =>
      withControl(options, async (control) => {
        const bytesPerSecond = rate === undefined ? undefined : Math.round(rate);
        await control.setRate(bytesPerSecond);
        const text = bytesPerSecond === undefined ? 'no limit' : `at most ${formatBytes(bytesPerSecond)}/s`;
        result({ bytesPerSecond: bytesPerSecond ?? 0 }, text);
      }),
  });
}

function addFilesCommand(
  downloader: Command,
  verb: 'pause' | 'resume' | 'cancel',
  files: '[files...]' | '<files...>',
  summary: string,
): void {
  defineCommand(downloader, {
    usage: `${verb} ${files}`,
    summary,
    examples: [`millrace downloader ${verb} ILSVRC2012_img_train.tar`],
    flags: addServiceFlags,
    schema: filesSchema,
    action: (options, context) =>
      withControl(options, async (control) => tell(await control[verb](options.files), context)),
  });
}

async function withControl(
  { service, ...flags }: z.output<typeof serviceSchema>,
  use: (control: DownloadControl) => Promise<void>,
): Promise<void> {
  const control = new DownloadControl({ service, ...(await readConnectFlags(flags)) });
  try {
    await use(control);
  } finally {
    control.close();
  }
}

function tell(jobs: readonly Job[], { result }: CommandContext): void {
  result({ jobs: jobs.map(plain) }, jobs.length === 0 ? 'no job is meant' : describe(jobs).join('\n'));
}

function plain({ state, ...job }: Job) {
  return { ...job, state: stateName(state) };
}

/** A line a job, in columns. */
function describe(jobs: readonly Job[]): string[] {
  const width = Math.max(...jobs.map(({ file }) => file.length));
  return jobs.map(({ file, state, bytesDone, bytesTotal, error }) => {
    const total = bytesTotal === 0 ? '' : ` of ${formatBytes(bytesTotal)}`;
    const why = error === undefined ? [] : [error.message];
    return [file.padEnd(width), stateName(state).padEnd(9), `${formatBytes(bytesDone)}${total}`, ...why].join('  ');
  });
}
