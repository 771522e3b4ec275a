/** The flags that every command has that runs a gRPC server: where it listens, its certificate, and who may call. */
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { messageOf, UsageError } from '../../lib/core/errors.js';
import type { ListenOptions, ServerTls } from '../../lib/rpc/listen-options.js';
import { parseTokenFile } from '../../lib/rpc/token-file.js';
import { UNIX_PREFIX } from '../../lib/rpc/unix-socket.js';
import { integerFlag } from '../command.js';

export function addListenFlags(command: Command, defaultPort: number): Command {
  return command
    .option('--host <address>', 'address to bind; another one than loopback needs TLS or --insecure', '127.0.0.1')
    .option('--port <port>', 'port; 0 takes a free one', String(defaultPort))
    .option('--listen <unix:path>', 'a socket in the file system to listen at, in place of --host and --port')
    .option(
      '--metrics-port <port>',
      'port of /metrics, /livez and /readyz on loopback; 0 takes a free one (default: none)',
    )
    .option('--tls-cert <file>', 'certificate chain of this server, PEM')
    .option('--tls-key <file>', 'key of the certificate, PEM')
    .option('--tls-client-ca <file>', 'ask clients for a certificate, and take those of this authority, PEM')
    .option(
      '--tokens <file>',
      'who may call, each with a bearer token: lines of "millrace token new", looked at again when they change',
    )
    .option('--insecure', 'bind another address than loopback without TLS');
}

export const listenSchema = z.object({
  host: z.string().min(1),
  port: integerFlag(0, 65_535),
  listen: z
    .string()
    .regex(/^unix:./, { error: 'expected unix: and a path' })
    .optional(),
  metricsPort: integerFlag(0, 65_535).optional(),
  tlsCert: z.string().optional(),
  tlsKey: z.string().optional(),
  tlsClientCa: z.string().optional(),
  tokens: z.string().optional(),
  insecure: z.boolean().default(false),
});

/** Throws UsageError naming the flag when a file cannot be read or understood, or is given without the other. */
export async function readListenOptions(flags: z.output<typeof listenSchema>): Promise<ListenOptions> {
  const { host, port, listen, metricsPort, insecure, tokens } = flags;
  return {
    ...{ host, port, metricsPort, isInsecureAllowed: insecure, tokensPath: tokens },
    socketPath: listen === undefined ? undefined : resolve(listen.slice(UNIX_PREFIX.length)),
    tls: await readTls(flags),
    tokens: tokens === undefined ? undefined : parseTokenFile(String(await readFlagFile('--tokens', tokens)), tokens),
  };
}

async function readTls({
  tlsCert,
  tlsKey,
  tlsClientCa,
}: Pick<z.output<typeof listenSchema>, 'tlsCert' | 'tlsKey' | 'tlsClientCa'>): Promise<ServerTls | undefined> {
  if (tlsCert !== undefined && tlsKey !== undefined) {
    const certificate = await readFlagFile('--tls-cert', tlsCert);
    const key = await readFlagFile('--tls-key', tlsKey);
    try {
      createSecureContext({ cert: certificate, key });
    } catch (error) {
      const message = `--tls-cert: ${tlsCert} and --tls-key ${tlsKey} are no certificate and its key in PEM: ${messageOf(error)}`;
      throw new UsageError('--tls-cert', message, { cause: error });
    }
    return {
      ...{ certificate, key },
      clientCa: tlsClientCa === undefined ? undefined : await readFlagFile('--tls-client-ca', tlsClientCa),
    };
  }
  if (tlsCert === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  throw new UsageError('--tls-cert', '--tls-cert and --tls-key go together, and --tls-client-ca with them: give both');
}

/** Throws UsageError naming the flag when the file cannot be read. */
export async function readFlagFile(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(flag, `${flag}: cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}
