/** The flags that every command has that calls a gRPC server of ours: how the server is known, and who calls. */
import type { Command } from 'commander';
import { z } from 'zod';
import { UsageError } from '../lib/core/errors.js';
import { readFlagFile } from './commands/listen-flags.js';

/** @param server what the help calls it */
export function addConnectFlags(command: Command, server = 'server'): Command {
  return command
    .option('--tls-ca <file>', `certificate authority of the ${server}, PEM (default: no TLS)`)
    .option('--tls-cert <file>', `certificate chain of this client, PEM, where the ${server} asks for one`)
    .option('--tls-key <file>', 'key of the certificate, PEM')
    .option('--token-file <file>', `file that holds the bearer token for the ${server}`);
}

export const connectSchema = z.object({
  tlsCa: z.string().optional(),
  tlsCert: z.string().optional(),
  tlsKey: z.string().optional(),
  tokenFile: z.string().optional(),
});

/** Undefined: no TLS, no token. */
export interface ConnectCredentials {
  /** PEM texts. */
  readonly tls:
    { readonly rootCertificates: Buffer; readonly certificateChain?: Buffer; readonly privateKey?: Buffer } | undefined;
  readonly token: string | undefined;
}

/** Throws UsageError naming the flag when a file cannot be read, or one is given without those that go with it. */
export async function readConnectFlags(flags: z.output<typeof connectSchema>): Promise<ConnectCredentials> {
  const { tlsCa, tlsCert, tlsKey, tokenFile } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined) || (tlsCert !== undefined && tlsCa === undefined)) {
    throw new UsageError('--tls-cert', '--tls-cert, --tls-key and --tls-ca go together: give all three');
  }
  const token = tokenFile === undefined ? undefined : String(await readFlagFile('--token-file', tokenFile)).trim();
  if (token !== undefined && !/^\S+$/.test(token)) {
    throw new UsageError('--token-file', `--token-file: expected one token and nothing else in ${tokenFile}`);
  }
  if (tlsCa === undefined) return { tls: undefined, token };
  const rootCertificates = await readFlagFile('--tls-ca', tlsCa);
  if (tlsCert === undefined || tlsKey === undefined) return { tls: { rootCertificates }, token };
  const certificateChain = await readFlagFile('--tls-cert', tlsCert);
  return { tls: { rootCertificates, certificateChain, privateKey: await readFlagFile('--tls-key', tlsKey) }, token };
}
