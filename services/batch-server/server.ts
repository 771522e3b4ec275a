/** The batch server: streams shuffled batches of the splits under a root to any number of trainers. */
import { join } from 'node:path';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import { messageOf, MillraceError } from '../../lib/core/errors.js';
import { sleep } from '../../lib/platform/lifecycle.js';
import type { Logger } from '../../lib/platform/logger.js';
import { createRegistry, startMetricsServer, type MetricsServer } from '../../lib/platform/metrics-server.js';
import { packageRoot } from '../../lib/platform/package-root.js';
import type { ServerContext } from './context.js';
import { createDatasetStore } from './dataset-store.js';
import { createServerMetrics } from './metrics.js';
import { completeOptions, type BatchServerOptions, type CompleteOptions } from './options.js';
import { batchServiceDefinition, createBatchService } from './service.js';
import { createStreamRegistry } from './stream-registry.js';

const SERVICE_NAME = 'millrace.v1.BatchService';

export class BatchServer {
  private readonly draining = new AbortController();
  private readonly health = new HealthImplementation({ '': 'SERVING', [SERVICE_NAME]: 'SERVING' });
  private readonly registry = createRegistry();
  private readonly grpc: Server;
  private readonly context: ServerContext;
  private metricsServer: MetricsServer | undefined;
  private boundPort = 0;

  private constructor(
    private readonly options: CompleteOptions,
    log: Logger,
  ) {
    this.context = {
      store: createDatasetStore(options.root),
      streams: createStreamRegistry(),
      metrics: createServerMetrics(this.registry),
      log,
      startedAtMs: performance.now(),
      draining: this.draining.signal,
    };
    this.grpc = new Server({
      // Dead peers are noticed, and a trainer that computes for long is not taken for one.
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 20_000,
    });
    this.grpc.addService(batchServiceDefinition, createBatchService(this.context));
    this.health.addToServer(this.grpc);
    reflection().addToServer(this.grpc);
  }

  /** Throws UsageError when the options do not go together. */
  static create(options: BatchServerOptions, log: Logger): BatchServer {
    return new BatchServer(completeOptions(options), log);
  }

  /** `host:port` as a client dials it; once started. */
  get address(): string {
    const { host } = this.options;
    return `${host.includes(':') ? `[${host}]` : host}:${this.boundPort}`;
  }

  /** Port of /metrics; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.metricsServer?.port;
  }

  /** Binds the port. Throws ERR_UNAVAILABLE when it is taken. */
  async start(): Promise<void> {
    const { host, port, tls, metricsPort } = this.options;
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(null, [{ cert_chain: tls.certificate, private_key: tls.key }]);
    const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.boundPort = await new Promise<number>((resolve, reject) => {
      this.grpc.bindAsync(target, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else
          reject(
            new MillraceError(
              'ERR_UNAVAILABLE',
              `cannot listen on ${target}: ${messageOf(error)}; choose another --port`,
              {
                cause: error,
              },
            ),
          );
      });
    });
    if (metricsPort !== undefined) {
      this.metricsServer = await startMetricsServer(this.registry, () => !this.draining.signal.aborted, metricsPort);
    }
  }

  /**
   * Ends in order: says NOT_SERVING, refuses new calls, lets each stream end at a batch, and after `drainMs` cuts what is left.
   */
  async destroy(): Promise<void> {
    this.health.setStatus('', 'NOT_SERVING');
    this.health.setStatus(SERVICE_NAME, 'NOT_SERVING');
    this.draining.abort();
    const deadline = new AbortController();
    const isClosed = new Promise<void>((resolve) => {
      this.grpc.tryShutdown(() => resolve());
    });
    await Promise.race([isClosed, sleep(this.options.drainMs, deadline.signal)]);
    deadline.abort();
    this.grpc.forceShutdown();
    await this.metricsServer?.close();
    await this.context.store.close();
  }
}

function reflection(): ReflectionService {
  const root = packageRoot();
  return new ReflectionService(
    loadSync(['millrace/v1/batch.proto', healthProtoPath], { includeDirs: [join(root, 'protos')], keepCase: true }),
  );
}
