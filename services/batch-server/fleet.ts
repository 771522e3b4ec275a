/**
 * Several server processes behind one port, for when one event loop cannot send as much as the wire takes. The first process
 * holds the port and hands connections out in turn; each of the others is a whole server, and one that dies is replaced.
 */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { AggregatorRegistry, type Registry } from 'prom-client';
import { backoffMs } from '../../lib/core/backoff.js';
import { MillraceError } from '../../lib/core/errors.js';
import type { Logger } from '../../lib/platform/logger.js';
import { sleep } from '../../lib/platform/lifecycle.js';
import { startMetricsServer, type MetricsServer } from '../../lib/platform/metrics-server.js';
import { relayStatus, tellStatus } from './fleet-status.js';
import type { ProcessStatus } from './server-status.js';

/** What a process of the fleet says once it serves. */
interface Serving {
  readonly address: string;
}

/** What the first process says to the others in the end. */
const DRAIN = 'drain';

export interface FleetOptions {
  readonly numProcesses: number;
  /** Program that runs {@link serveInFleet}, and its arguments. */
  readonly program: string;
  readonly args: readonly string[];
  readonly metricsPort: number | undefined;
  readonly log: Logger;
}

export interface Fleet {
  /** Where all of them listen. */
  readonly address: string;
  readonly metricsPort: number | undefined;
  /** Lets all end in order, and resolves when the last one has. */
  close(): Promise<void>;
}

/** Starts the processes; resolves when all of them serve. Throws what the first one that ended instead had to say. */
export async function startFleet({ numProcesses, program, args, metricsPort, log }: FleetOptions): Promise<Fleet> {
  cluster.setupPrimary({ exec: program, args: [...args] });
  const closing = new AbortController();
  const isClosing = (): boolean => closing.signal.aborted;
  const workers = new Set<Worker>();
  /** Those that hear questions. */
  const serving = new Set<Worker>();
  let numDeaths = 0;

  const start = async (): Promise<string> => {
    const worker = cluster.fork();
    workers.add(worker);
    worker.once('exit', () => {
      workers.delete(worker);
      serving.delete(worker);
    });
    relayStatus(worker, serving);
    const ended = once(worker, 'exit').then(() => {
      throw new MillraceError('ERR_UNAVAILABLE', 'a server process ended before it served; what it said stands above');
    });
    const isServing = new Promise<Serving>((resolve) => {
      worker.on('message', (message: Partial<Serving>) => {
        if (typeof message.address === 'string') resolve({ address: message.address });
      });
    });
    const { address } = await Promise.race([isServing, ended]);
    serving.add(worker);
    ended.catch(() => undefined);
    worker.once('exit', (code) => void replace(code));
    numDeaths = 0;
    return address;
  };

  const replace = async (code: number): Promise<void> => {
    if (isClosing()) return;
    log.warn({ code }, 'a server process died; it is replaced');
    await sleep(backoffMs(numDeaths++, {}), closing.signal);
    if (isClosing()) return;
    try {
      await start();
    } catch (error) {
      log.error({ err: error }, 'its replacement did not start');
      await replace(code);
    }
  };

  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all(
      [...workers].map(async (worker) => {
        const exited = once(worker, 'exit');
        if (worker.isConnected()) worker.send(DRAIN);
        await exited;
      }),
    );
  };

  try {
    const [address] = await Promise.all(Array.from({ length: numProcesses }, start));
    const metrics = metricsPort === undefined ? undefined : await startFleetMetrics(metricsPort, closing.signal);
    return {
      address,
      metricsPort: metrics?.port,
      async close() {
        await close();
        await metrics?.close();
      },
    };
  } catch (error) {
    closing.abort();
    // Some may not listen to messages yet.
    for (const worker of workers) worker.process.kill('SIGTERM');
    throw error;
  }
}

/** Whether this process is one of a fleet's. */
export function isInFleet(): boolean {
  return cluster.isWorker;
}

/** What a process of a fleet has to tell. */
export interface FleetMember {
  readonly address: string;
  readonly registry: Registry;
  status(): ProcessStatus;
}

/** Tells the fleet that this process serves, and from then on its metrics and status; resolves when it is to end. */
export async function serveInFleet(member: FleetMember): Promise<void> {
  AggregatorRegistry.setRegistries([member.registry]);
  new AggregatorRegistry();
  tellStatus(() => member.status());
  const serving: Serving = { address: member.address };
  process.send?.(serving);
  await new Promise<void>((resolve) => {
    process.on('message', (message) => {
      if (message === DRAIN) resolve();
    });
  });
}

/** The sums over all processes. */
function startFleetMetrics(port: number, closing: AbortSignal): Promise<MetricsServer> {
  const aggregator = new AggregatorRegistry();
  const source = { contentType: aggregator.contentType, metrics: () => aggregator.clusterMetrics() };
  return startMetricsServer(source, () => !closing.aborted, port);
}
