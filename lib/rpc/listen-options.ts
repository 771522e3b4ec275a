/** Where a gRPC server listens, checked once. */
import { UsageError } from '../core/errors.js';

export interface ListenOptions {
  /** Address to bind. Default 127.0.0.1. Another one than loopback needs `tls` or `isInsecureAllowed`. */
  readonly host?: string;
  /** Port; 0 takes a free one. Each service has its own default. */
  readonly port?: number;
  /** Path of a socket in the file system to listen at, in place of `host` and `port`: for trainers on the same machine. */
  readonly socketPath?: string | undefined;
  /** Port of /metrics, /livez and /readyz on loopback; 0 takes a free one, undefined: none. */
  readonly metricsPort?: number | undefined;
  /** PEM texts of the server's certificate chain and key. */
  readonly tls?: { readonly certificate: Buffer; readonly key: Buffer } | undefined;
  /** Bind another address than loopback without TLS. Default false. */
  readonly isInsecureAllowed?: boolean;
  /** Milliseconds that open calls get to end by themselves when the server stops. Default 10,000. */
  readonly drainMs?: number;
}

export type CompleteListenOptions = Required<Omit<ListenOptions, Unset>> & Pick<ListenOptions, Unset>;

/** Those that may stay undefined. */
type Unset = 'tls' | 'metricsPort' | 'socketPath';

/** Throws UsageError naming the flag. */
export function completeListenOptions(options: ListenOptions, defaultPort: number): CompleteListenOptions {
  const {
    host = '127.0.0.1',
    port = defaultPort,
    socketPath,
    metricsPort,
    tls,
    isInsecureAllowed = false,
    drainMs = 10_000,
  } = options;
  const isLoopback = host === 'localhost' || host === '::1' || host.startsWith('127.');
  if (socketPath === undefined && !isLoopback && tls === undefined && !isInsecureAllowed) {
    throw new UsageError(
      '--host',
      `--host ${host} is open to other machines: give --tls-cert and --tls-key, or say --insecure if the network is yours alone`,
    );
  }
  return { host, port, socketPath, metricsPort, tls, isInsecureAllowed, drainMs };
}
