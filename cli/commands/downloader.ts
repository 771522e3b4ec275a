import type { Command } from 'commander';
import { once } from 'node:events';
import { z } from 'zod';
import { readCredentials } from '../../services/downloader/credentials.js';
import { DownloadServer } from '../../services/downloader/service/server.js';
import { defineCommand, integerFlag } from '../command.js';
import { addControlCommands } from './downloader-control.js';
import { addListenFlags, listenSchema, readListenOptions } from './listen-flags.js';

/** `millrace downloader`: `serve` fetches archives by itself, from a queue that is filled over gRPC, until SIGINT or SIGTERM. */
export function addDownloaderCommand(program: Command): void {
  const downloader = program
    .command('downloader')
    .description('a daemon that fetches archives from a queue, and what to tell it');
  defineCommand(downloader, {
    usage: 'serve',
    summary: 'work through the queue under the root, which is kept over restarts, and take more over gRPC',
    examples: [
      'millrace downloader serve                                       # on 127.0.0.1:50052',
      'millrace downloader serve --concurrency 8 --per-host 1 --metrics-port 9102',
      'millrace download ilsvrc2012 --service 127.0.0.1:50052          # elsewhere: ask it for a dataset, and watch',
    ],
    flags: (command) =>
      addListenFlags(command, 50_052)
        .option('--concurrency <count>', 'archives at a time (default: 4)')
        .option('--per-host <count>', 'archives at a time from one host (default: 2)')
        .option('--netrc <file>', 'logins for the hosts that it names'),
    schema: listenSchema.extend({
      concurrency: integerFlag(1, 64).optional(),
      perHost: integerFlag(1, 64).optional(),
      netrc: z.string().min(1).optional(),
    }),
    async action({ concurrency, perHost, netrc, ...flags }, { root, environment, reporter, log, signal }) {
      const { drainMs, proxy } = environment;
      const options = {
        ...(await readListenOptions(flags)),
        ...{ root, concurrency, perHost, drainMs, proxy },
        credentials: await readCredentials({ urls: [], netrcFile: netrc }),
      };
      const server = await DownloadServer.start(options, log);
      reporter.event('listening', `downloading to ${root}, asked at ${server.address}; Ctrl-C ends it`, {
        address: server.address,
        metricsPort: server.metricsPort ?? null,
      });
      if (!signal.aborted) await once(signal, 'abort');
      await server.destroy();
    },
  });
  addControlCommands(downloader);
}
