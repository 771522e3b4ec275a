import type { Command } from 'commander';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, UsageError } from '../../lib/core/errors.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { defineCommand, integerFlag } from '../command.js';

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
    flags: (command) =>
      command
        .option('--host <address>', 'address to bind; another one than loopback needs TLS or --insecure', '127.0.0.1')
        .option('--port <port>', 'port; 0 takes a free one', '50051')
        .option(
          '--metrics-port <port>',
          'port of /metrics, /livez and /readyz on loopback; 0 takes a free one (default: none)',
        )
        .option('--tls-cert <file>', 'certificate chain of this server, PEM')
        .option('--tls-key <file>', 'key of the certificate, PEM')
        .option('--insecure', 'bind another address than loopback without TLS'),
    schema: z.object({
      host: z.string().min(1),
      port: integerFlag(0, 65_535),
      metricsPort: integerFlag(0, 65_535).optional(),
      tlsCert: z.string().optional(),
      tlsKey: z.string().optional(),
      insecure: z.boolean().default(false),
    }),
    async action({ host, port, metricsPort, tlsCert, tlsKey, insecure }, { root, environment, reporter, log, signal }) {
      const tls = await readTls(tlsCert, tlsKey);
      const server = BatchServer.create(
        { root, host, port, metricsPort, tls, isInsecureAllowed: insecure, drainMs: environment.drainMs },
        log,
      );
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

async function readTls(certificate?: string, key?: string): Promise<{ certificate: Buffer; key: Buffer } | undefined> {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw new UsageError('--tls-cert', '--tls-cert and --tls-key go together: give both');
  }
  return { certificate: await readPem('--tls-cert', certificate), key: await readPem('--tls-key', key) };
}

/** Throws UsageError naming the flag when the file cannot be read. */
export async function readPem(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(flag, `${flag}: cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}
