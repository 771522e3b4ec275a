/** The batch server: streams shuffled batches of the splits under a root to any number of trainers. */
import { availableParallelism } from 'node:os';
import { createRegistry } from '../../lib/platform/metrics-server.js';
import type { Logger } from '../../lib/platform/logger.js';
import { completeListenOptions, type ListenOptions } from '../../lib/rpc/listen-options.js';
import { RpcServer } from '../../lib/rpc/rpc-server.js';
import { AssemblyPool } from './assembly/assembly-pool.js';
import type { ServerContext } from './context.js';
import { createDatasetStore } from './dataset-store.js';
import { createServerMetrics } from './metrics.js';
import { batchServiceDefinition, createBatchService } from './service.js';
import { Residency } from './residency.js';
import { processStatusOf } from './rpc/get-status.js';
import type { ProcessStatus } from './server-status.js';
import { WarmUp } from './warm-up.js';
import { StreamRegistry } from './stream-registry.js';

export interface BatchServerOptions extends ListenOptions {
  /** Folder that holds `datasets/`. */
  readonly root: string;
  /** Threads that assemble batches, at least 1. Default: all cores but one, at most 8. */
  readonly numThreads?: number | undefined;
  /** Bytes of memory for batches of all streams together. Default 256 MiB. */
  readonly memoryBytes?: number | undefined;
  /** Batches that are assembled ahead for each stream, at most. Default 1. */
  readonly prefetchBatches?: number | undefined;
  /** Read all shards once, when the server has started. Default false. */
  readonly isWarmed?: boolean | undefined;
  /** Shard files that are open at a time, of all splits. Default 1,024. */
  readonly maxOpenShards?: number | undefined;
  /** Asks all processes behind the address for their status, this one among them. Default: there is only this one. */
  readonly statusOfAll?: (() => Promise<readonly ProcessStatus[]>) | undefined;
  /** libturbojpeg's path, or `none`. Default: where systems keep it. */
  readonly turbojpeg?: string | undefined;
}

/** gRPC's customary port. */
const DEFAULT_PORT = 50_051;
const DEFAULT_MEMORY_BYTES = 256 << 20;
const MAX_DEFAULT_THREADS = 8;

function defaultThreads(): number {
  return Math.min(Math.max(availableParallelism() - 1, 1), MAX_DEFAULT_THREADS);
}

export class BatchServer {
  private readonly draining = new AbortController();
  private readonly context: ServerContext;
  private readonly rpc: RpcServer;
  readonly registry = createRegistry();

  private warming = Promise.resolve();

  private constructor(
    private readonly options: BatchServerOptions,
    log: Logger,
  ) {
    // Before there are threads, which would outlive what is thrown.
    const listenOptions = completeListenOptions(options, DEFAULT_PORT);
    const metrics = createServerMetrics(this.registry, {
      memoryBytes: () => this.context.pool.usedBytes,
      heldBytes: () => this.context.pool.heldBytes,
      memoryLimitBytes: () => this.context.pool.memoryBytes,
    });
    const store = createDatasetStore(options.root, { maxOpenShards: options.maxOpenShards, log });
    this.context = {
      pool: new AssemblyPool({
        numThreads: options.numThreads ?? defaultThreads(),
        memoryBytes: options.memoryBytes ?? DEFAULT_MEMORY_BYTES,
        // To reach this server is to be on its machine.
        isMemoryShared: options.socketPath !== undefined,
        turbojpeg: options.turbojpeg,
        log,
        onAssembled(seconds, readSeconds) {
          metrics.frameAssemblySeconds.observe(seconds);
          metrics.recordReadSeconds.inc(readSeconds);
        },
        onShared: () => metrics.framesShared.inc(),
      }),
      prefetchBatches: options.prefetchBatches ?? 1,
      store,
      residency: new Residency(options.root, store),
      warmUp: new WarmUp(),
      streams: new StreamRegistry(metrics, log),
      metrics,
      log,
      startedAtMs: performance.now(),
      statusOfAll: options.statusOfAll ?? (() => Promise.resolve([this.status()])),
      draining: this.draining.signal,
    };
    const service = {
      name: 'millrace.v1.BatchService',
      protoFile: 'millrace/v1/batch.proto',
      definition: batchServiceDefinition,
      implementation: createBatchService(this.context),
    };
    this.rpc = new RpcServer(listenOptions, service, this.registry, log);
  }

  /** Throws UsageError when the options do not go together. */
  static create(options: BatchServerOptions, log: Logger): BatchServer {
    return new BatchServer(options, log);
  }

  /** `host:port` as a client dials it; once started. */
  get address(): string {
    return this.rpc.address;
  }

  /** Port of /metrics; undefined when there is none. */
  get metricsPort(): number | undefined {
    return this.rpc.metricsPort;
  }

  /** What this process has to tell. */
  status(): ProcessStatus {
    return processStatusOf(this.context);
  }

  /** Binds the ports. Throws ERR_UNAVAILABLE when one is taken; nothing of the server is left then. */
  async start(): Promise<void> {
    try {
      await this.context.store.note();
      await this.rpc.start();
    } catch (error) {
      await this.destroy();
      throw error;
    }
    if (this.options.isWarmed !== true) return;
    const { store, log, warmUp, draining } = this.context;
    this.warming = warmUp.run({ root: this.options.root, store, log, signal: draining });
  }

  /** Refuses new calls, lets each stream end at a batch, and after `drainMs` cuts what is left. */
  async destroy(): Promise<void> {
    this.draining.abort();
    await this.rpc.close();
    await this.warming;
    await this.context.pool.close();
    await this.context.store.close();
  }
}
