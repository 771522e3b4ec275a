/** Where a gRPC server listens, checked once. */
import { UsageError } from '../core/errors.js';

export interface ListenOptions {
  /** Address to bind. Default 127.0.0.1. Another one than loopback needs `tls` or `isInsecureAllowed`. */
  readonly host?: string;
  /** Port; 0 takes a free one. Each service has its own default. */
  readonly port?: number;
  /** Port of /metrics, /livez and /readyz on loopback; 0 takes a free one, undefined: none. */
  readonly metricsPort?: number | undefined;
  /** PEM texts of the server's certificate chain and key. */
  readonly tls?: { readonly certificate: Buffer; readonly key: Buffer } | undefined;
  /** Bind another address than loopback without TLS. Default false. */
  readonly isInsecureAllowed?: boolean;
  /** Milliseconds that open calls get to end by themselves when the server stops. Default 10,000. */
  readonly drainMs?: number;
}

export type CompleteListenOptions = Required<Omit<ListenOptions, 'tls' | 'metricsPort'>> &
  Pick<ListenOptions, 'tls' | 'metricsPort'>;

/** Throws UsageError naming the flag. */
export function completeListenOptions(options: ListenOptions, defaultPort: number): CompleteListenOptions {
  const {
    host = '127.0.0.1',
    port = defaultPort,
    metricsPort,
    tls,
    isInsecureAllowed = false,
    drainMs = 10_000,
  } = options;
  const isLoopback = host === 'localhost' || host === '::1' || host.startsWith('127.');
  if (!isLoopback && tls === undefined && !isInsecureAllowed) {
    throw new UsageError(
      '--host',
      `--host ${host} is open to other machines: give --tls-cert and --tls-key, or say --insecure if the network is yours alone`,
    );
  }
  return { host, port, metricsPort, tls, isInsecureAllowed, drainMs };
}
