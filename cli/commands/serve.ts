import type { Command } from 'commander';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { askFleet } from '../../services/batch-server/fleet-status.js';
import { isInFleet, serveInFleet, startFleet } from '../../services/batch-server/fleet.js';
import { z } from 'zod';
import { removeStaleSocket } from '../../lib/rpc/unix-socket.js';
import { datasetsFolder } from '../../lib/platform/root-layout.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { defineCommand, integerFlag } from '../command.js';
import { addListenFlags, listenSchema, readListenOptions } from './listen-flags.js';

const MAX_PROCESSES = 64;
const MAX_THREADS = 256;

/** `millrace serve`: streams the prepared splits under the root to trainers, until SIGINT or SIGTERM. */
export function addServeCommand(program: Command): void {
  defineCommand(program, {
    usage: 'serve',
    summary: 'stream shuffled, mean-subtracted batches of the prepared splits over gRPC',
    examples: [
      'millrace serve                                    # on 127.0.0.1:50051',
      'millrace serve --port 0 --json                    # on a free port, which the first line names',
      'millrace serve --listen unix:/run/millrace.sock   # to trainers on this machine',
      'millrace serve --host 0.0.0.0 --tls-cert server.crt --tls-key server.key',
    ],
    flags: (command) =>
      addListenFlags(command, 50_051)
        .option(
          '--threads <n>',
          'threads that assemble batches, in each process (default: all cores but one, at most 8)',
        )
        .option(
          '--memory <MiB>',
          'memory for batches of all streams, in each process (default: MILLRACE_MEMORY or 256)',
        )
        .option('--prefetch <batches>', 'batches that are assembled ahead for each stream, at most', '1')
        .option('--warm', 'read all shards once, at the start, so that they lie in memory')
        .option('--processes <n>', 'server processes behind the one port', '1'),
    schema: listenSchema.extend({
      threads: integerFlag(1, MAX_THREADS).optional(),
      memory: integerFlag(16, 4095).optional(),
      prefetch: integerFlag(0, 1024),
      warm: z.boolean().default(false),
      processes: integerFlag(1, MAX_PROCESSES),
    }),
    async action(flags, { root, environment, reporter, log, signal }) {
      const { threads, prefetch, processes, memory = environment.memoryMib } = flags;
      const options = await readListenOptions(flags);
      const tellListening = (address: string, metricsPort: number | undefined): void => {
        const what = existsSync(datasetsFolder(root)) ? '' : ' (none yet: "millrace prepare" makes them)';
        const metrics = metricsPort === undefined ? '' : `, metrics on http://127.0.0.1:${metricsPort}/metrics`;
        reporter.event('listening', `serving the splits under ${root}${what} on ${address}${metrics}; Ctrl-C ends it`, {
          address,
          metricsPort: metricsPort ?? null,
        });
      };
      if (processes > 1 && !isInFleet()) {
        if (options.socketPath !== undefined) await removeStaleSocket(options.socketPath);
        const [program, ...args] = process.argv.slice(1);
        const fleet = await startFleet({ numProcesses: processes, program, args, metricsPort: flags.metricsPort, log });
        tellListening(fleet.address, fleet.metricsPort);
        if (!signal.aborted) await once(signal, 'abort');
        await fleet.close();
        return;
      }
      try {
        const server = BatchServer.create(
          {
            root,
            ...options,
            metricsPort: isInFleet() ? undefined : options.metricsPort,
            drainMs: environment.drainMs,
            turbojpeg: environment.turbojpeg,
            numThreads: threads,
            memoryBytes: memory * 2 ** 20,
            prefetchBatches: prefetch,
            isWarmed: flags.warm,
            statusOfAll: isInFleet() ? askFleet : undefined,
          },
          log,
        );
        await server.start();
        const aborted = signal.aborted ? Promise.resolve() : once(signal, 'abort');
        if (isInFleet()) await Promise.race([aborted, serveInFleet(server)]);
        else {
          tellListening(server.address, server.metricsPort);
          await aborted;
        }
        await server.destroy();
      } finally {
        // The port is the first process's, and the line to it would keep this one.
        if (isInFleet()) process.disconnect();
      }
    },
  });
}
