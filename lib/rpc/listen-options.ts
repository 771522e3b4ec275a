/** Where a gRPC server listens, checked once. */
import { UsageError } from '../core/errors.js';
import { isLoopbackHost } from '../core/loopback.js';
import type { TokenEntry } from './token-file.js';

export interface ListenOptions {
  /** Address to bind. Default 127.0.0.1. Another one than loopback needs `tls` or `isInsecureAllowed`. */
  readonly host?: string;
  /** Port; 0 takes a free one. Each service has its own default. */
  readonly port?: number;
  /** Path of a socket in the file system to listen at, in place of `host` and `port`: for trainers on the same machine. */
  readonly socketPath?: string | undefined;
  /** Port of /metrics, /livez and /readyz on loopback; 0 takes a free one, undefined: none. */
  readonly metricsPort?: number | undefined;
  readonly tls?: ServerTls | undefined;
  /** Who may call, each with a token; at least one. Undefined: everybody. Health checks are answered to everybody. */
  readonly tokens?: readonly TokenEntry[] | undefined;
  /** The file that `tokens` are from: changes of it count at once. Undefined: they stay as they are. */
  readonly tokensPath?: string | undefined;
  /** Bind another address than loopback without TLS. Default false. */
  readonly isInsecureAllowed?: boolean;
  /** Milliseconds that open calls get to end by themselves when the server stops. Default 10,000. */
  readonly drainMs?: number;
}

/** PEM texts. */
export interface ServerTls {
  /** The server's certificate chain and its key. */
  readonly certificate: Buffer;
  readonly key: Buffer;
  /** Authority of clients' certificates: a connection without one of its own is refused. Undefined: none is asked for. */
  readonly clientCa?: Buffer | undefined;
}

export type CompleteListenOptions = Required<Omit<ListenOptions, Unset>> & Pick<ListenOptions, Unset>;

/** Those that may stay undefined. */
type Unset = 'tls' | 'tokens' | 'tokensPath' | 'metricsPort' | 'socketPath';

/** Throws UsageError naming the flag. */
export function completeListenOptions(options: ListenOptions, defaultPort: number): CompleteListenOptions {
  const {
    host = '127.0.0.1',
    port = defaultPort,
    socketPath,
    metricsPort,
    tls,
    tokens,
    tokensPath,
    isInsecureAllowed = false,
    drainMs = 10_000,
  } = options;
  if (socketPath === undefined && !isLoopbackHost(host) && tls === undefined && !isInsecureAllowed) {
    throw new UsageError(
      '--host',
      `--host ${host} is open to other machines: give --tls-cert and --tls-key, or say --insecure if the network is yours alone`,
    );
  }
  return { host, port, socketPath, metricsPort, tls, tokens, tokensPath, isInsecureAllowed, drainMs };
}
