/** A gRPC server with one service of ours: health, reflection, metrics, and an orderly end. */
import cluster from 'node:cluster';
import { join } from 'node:path';
import {
  Server,
  ServerCredentials,
  setLogger,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import type { Registry } from 'prom-client';
import { messageOf, MillraceError } from '../core/errors.js';
import { sleep } from '../platform/lifecycle.js';
import type { Logger } from '../platform/logger.js';
import { startMetricsServer, type MetricsServer } from '../platform/metrics-server.js';
import { packageRoot } from '../platform/package-root.js';
import { guard } from './guard.js';
import type { CompleteListenOptions, ServerTls } from './listen-options.js';
import { watchTokenFile } from './token-file.js';
import { TokenHolders } from './token-holder.js';
import { removeStaleSocket, UNIX_PREFIX } from './unix-socket.js';

export interface RpcService {
  /** Full name, e.g. `millrace.v1.BatchService`. */
  readonly name: string;
  /** Path under `protos/`, e.g. `millrace/v1/batch.proto`. */
  readonly protoFile: string;
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export class RpcServer {
  readonly #options: CompleteListenOptions;
  readonly #service: RpcService;
  readonly #registry: Registry;
  readonly #grpc = new Server({
    // Dead peers are noticed, and a trainer that computes for long is not taken for one.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 20_000,
  });
  readonly #health: HealthImplementation;
  readonly #log: Logger;
  /** Undefined: everybody may call. */
  readonly #holders: TokenHolders | undefined;
  #unwatch: (() => void) | undefined;
  #isReady = true;
  #metricsServer: MetricsServer | undefined;
  #boundPort = 0;

  constructor(options: CompleteListenOptions, service: RpcService, registry: Registry, log: Logger) {
    this.#options = options;
    this.#service = service;
    this.#registry = registry;
    this.#health = new HealthImplementation({ '': 'SERVING', [service.name]: 'SERVING' });
    this.#log = log;
    // It would print on stderr what it hands over as an error too.
    setLogger({ error: (...said: unknown[]) => log.debug({ said }, 'grpc-js') });
    const holders = options.tokens && new TokenHolders(options.tokens);
    this.#holders = holders;
    const addService = (definition: ServiceDefinition, implementation: UntypedServiceImplementation): void => {
      const guarded = holders === undefined ? implementation : guard(holders, definition, implementation, log);
      this.#grpc.addService(definition, guarded);
    };
    addService(service.definition, service.implementation);
    reflection(service.protoFile).addToServer({ addService });
    // Without a token: probes have none, and the answer tells nothing.
    this.#health.addToServer(this.#grpc);
  }

  /** `host:port`, or `unix:` and the path of the socket, as a client dials it; once started. */
  get address(): string {
    return targetOf({ ...this.#options, port: this.#boundPort });
  }

  /** Port of /metrics; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.#metricsServer?.port;
  }

  /** Binds the ports. Throws ERR_UNAVAILABLE when the one of the service is taken, UsageError when its socket's path is. */
  async start(): Promise<void> {
    const { socketPath, tls, metricsPort } = this.#options;
    const credentials = tls === undefined ? ServerCredentials.createInsecure() : secure(tls);
    const target = targetOf(this.#options);
    // The first process of a fleet holds the socket, and has seen to its path.
    if (socketPath !== undefined && !cluster.isWorker) await removeStaleSocket(socketPath);
    this.#boundPort = await new Promise<number>((resolve, reject) => {
      this.#grpc.bindAsync(target, credentials, (cause, bound) => {
        if (cause === null) resolve(bound);
        else {
          const flag = socketPath === undefined ? '--port' : 'path for --listen';
          // grpc-js wraps the system's error: "… resolved errors: [listen EADDRINUSE: address already in use host:port]".
          const reason = /\[listen E[A-Z]+: (.*?)(?: \S+)?\]/.exec(cause.message)?.[1] ?? messageOf(cause);
          const message = `cannot listen on ${target}: ${reason}; choose another ${flag}`;
          reject(new MillraceError('ERR_UNAVAILABLE', message, { cause }));
        }
      });
    });
    this.#watchTokens();
    if (metricsPort !== undefined) {
      this.#metricsServer = await startMetricsServer(this.#registry, () => this.#isReady, metricsPort);
    }
  }

  /**
   * Ends in order: says NOT_SERVING, refuses new calls, lets open ones end, and after `drainMs` cuts what is left. The caller
   * has told its streams to end.
   */
  async close(): Promise<void> {
    this.#isReady = false;
    this.#unwatch?.();
    this.#health.setStatus('', 'NOT_SERVING');
    this.#health.setStatus(this.#service.name, 'NOT_SERVING');
    const deadline = new AbortController();
    const isClosed = new Promise<void>((resolve) => {
      this.#grpc.tryShutdown(() => resolve());
    });
    await Promise.race([isClosed, sleep(this.#options.drainMs, deadline.signal)]);
    deadline.abort();
    this.#grpc.forceShutdown();
    await this.#metricsServer?.close();
  }

  #watchTokens(): void {
    const { tokensPath: path } = this.#options;
    const holders = this.#holders;
    if (path === undefined || holders === undefined) return;
    this.#unwatch = watchTokenFile(path, this.#log, (entries) => {
      const revoked = holders.replace(entries);
      this.#log.info({ path, tokens: entries.length, revoked }, 'tokens read');
    });
  }
}

function secure({ certificate, key, clientCa }: ServerTls): ServerCredentials {
  const pairs = [{ cert_chain: certificate, private_key: key }];
  return ServerCredentials.createSsl(clientCa ?? null, pairs, clientCa !== undefined);
}

function targetOf({ host, port, socketPath }: Pick<CompleteListenOptions, 'host' | 'port' | 'socketPath'>): string {
  if (socketPath !== undefined) return `${UNIX_PREFIX}${socketPath}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function reflection(protoFile: string): ReflectionService {
  const includeDirs = [join(packageRoot(), 'protos')];
  return new ReflectionService(loadSync([protoFile, healthProtoPath], { includeDirs, keepCase: true }));
}
