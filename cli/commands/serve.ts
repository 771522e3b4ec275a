import type { Command } from 'commander';
import { once } from 'node:events';
import { BatchServer } from '../../services/batch-server/server.js';
import { defineCommand } from '../command.js';
import { addListenFlags, listenSchema, readListenOptions } from './listen-flags.js';

/** `millrace serve`: streams the prepared splits under the root to trainers, until SIGINT or SIGTERM. */
export function addServeCommand(program: Command): void {
  defineCommand(program, {
    usage: 'serve',
    summary: 'stream shuffled, mean-subtracted batches of the prepared splits over gRPC',
    examples: [
      'millrace serve                                    # on 127.0.0.1:50051',
      'millrace serve --port 0 --json                    # on a free port, which the first line names',
      'millrace serve --host 0.0.0.0 --tls-cert server.crt --tls-key server.key',
    ],
    flags: (command) => addListenFlags(command, 50_051),
    schema: listenSchema,
    async action(flags, { root, environment, reporter, log, signal }) {
      const options = await readListenOptions(flags);
      const server = BatchServer.create({ root, ...options, drainMs: environment.drainMs }, log);
      await server.start();
      reporter.event('listening', `serving the splits under ${root} on ${server.address}; Ctrl-C ends it`, {
        address: server.address,
        metricsPort: server.metricsPort ?? null,
      });
      if (!signal.aborted) await once(signal, 'abort');
      await server.destroy();
    },
  });
}
