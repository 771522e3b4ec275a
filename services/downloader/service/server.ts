/** The download service: works through a queue of archives by itself, and is told what to do over gRPC. */
import { createRegistry } from '../../../lib/platform/metrics-server.js';
import type { Logger } from '../../../lib/platform/logger.js';
import { completeListenOptions, type ListenOptions } from '../../../lib/rpc/listen-options.js';
import { RpcServer } from '../../../lib/rpc/rpc-server.js';
import { DownloadServiceService } from '../../../protos/gen/millrace/v1/download.js';
import { DownloadQueue, type DownloadQueueOptions } from './download-queue.js';
import { registerDownloadMetrics } from './metrics.js';
import { createDownloadService } from './service.js';

export interface DownloadServerOptions
  extends ListenOptions, Pick<DownloadQueueOptions, 'credentials' | 'proxy' | 'transfer'> {
  /** Folder with `archives/` and `downloads/`. */
  readonly root: string;
  /** Archives fetched at a time. Default 4. */
  readonly concurrency?: number | undefined;
  /** Archives fetched at a time from one host. Default 2: one is often held up by its server, and more is not polite. */
  readonly perHost?: number | undefined;
}

const DEFAULT_PORT = 50_052;

/** Calls are short, and watchers are sent away: what is open after that is a watcher that does not read (a suspended one). */
const MAX_DRAIN_MS = 1_000;

export class DownloadServer {
  private constructor(
    private readonly queue: DownloadQueue,
    private readonly rpc: RpcServer,
    private readonly draining: AbortController,
  ) {}

  /**
   * Goes on with the queue of the root, and listens. Throws UsageError when the options do not go together, ERR_LOCKED when
   * another service has the queue, ERR_OPTIONS_DIFFER when its file cannot be understood, ERR_UNAVAILABLE when the port is taken.
   */
  static async start(options: DownloadServerOptions, log: Logger): Promise<DownloadServer> {
    const { concurrency = 4, perHost = 2 } = options;
    const asked = completeListenOptions(options, DEFAULT_PORT);
    const listen = { ...asked, drainMs: Math.min(asked.drainMs, MAX_DRAIN_MS) };
    const queue = await DownloadQueue.open({ ...options, concurrency, perHost }, log);
    const draining = new AbortController();
    const registry = createRegistry();
    registerDownloadMetrics(registry, queue);
    const service = {
      name: 'millrace.v1.DownloadService',
      protoFile: 'millrace/v1/download.proto',
      definition: DownloadServiceService,
      implementation: createDownloadService({ queue, log, draining: draining.signal }),
    };
    const rpc = new RpcServer(listen, service, registry, log);
    const server = new DownloadServer(queue, rpc, draining);
    try {
      await rpc.start();
      return server;
    } catch (error) {
      await server.destroy();
      throw error;
    }
  }

  /** `host:port` as a client dials it. */
  get address(): string {
    return this.rpc.address;
  }

  /** Port of /metrics; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.rpc.metricsPort;
  }

  /** Refuses new calls, sends watchers away, and stops the transfers with what has come flushed. The queue is kept. */
  async destroy(): Promise<void> {
    this.draining.abort();
    // Both at once: a watcher that does not read may hold the one up until its time is over, and must not hold up the other.
    await Promise.all([this.queue.close(), this.rpc.close()]);
  }
}
