/** Options of a batch server, checked once. */
import { UsageError } from '../../lib/core/errors.js';

export interface BatchServerOptions {
  /** Folder that holds `datasets/`. */
  readonly root: string;
  /** Address to bind. Default 127.0.0.1. Another one than loopback needs `tls` or `isInsecureAllowed`. */
  readonly host?: string;
  /** Port; 0 takes a free one. Default 50051, gRPC's customary one. */
  readonly port?: number;
  /** Port of /metrics, /livez and /readyz on loopback; 0 takes a free one, undefined: none. */
  readonly metricsPort?: number | undefined;
  /** PEM texts of the server's certificate chain and key. */
  readonly tls?: { readonly certificate: Buffer; readonly key: Buffer } | undefined;
  /** Bind another address than loopback without TLS. Default false. */
  readonly isInsecureAllowed?: boolean;
  /** Milliseconds that open streams get to end at a batch when the server stops. Default 10,000. */
  readonly drainMs?: number;
}

export type CompleteOptions = Required<Omit<BatchServerOptions, 'tls' | 'metricsPort'>> &
  Pick<BatchServerOptions, 'tls' | 'metricsPort'>;

/** Throws UsageError naming the flag. */
export function completeOptions(options: BatchServerOptions): CompleteOptions {
  const complete = {
    host: '127.0.0.1',
    port: 50051,
    isInsecureAllowed: false,
    drainMs: 10_000,
    ...options,
  };
  const isLoopback = complete.host === 'localhost' || complete.host === '::1' || complete.host.startsWith('127.');
  if (!isLoopback && complete.tls === undefined && !complete.isInsecureAllowed) {
    throw new UsageError(
      '--host',
      `--host ${complete.host} is open to other machines: give --tls-cert and --tls-key, or say --insecure if the network is yours alone`,
    );
  }
  return complete;
}
