/** What the serve benches share: a server in a process of its own, and draining clients in theirs. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeepPartial, StreamBatchesRequest } from '../protos/gen/millrace/v1/batch.js';

export interface ServeBenchReady {
  readonly address: string;
  readonly tcpPort: number;
}

export interface ServeBenchUsage {
  /** User + system time of the process so far, all threads. */
  readonly cpuMs: number;
  /** Frames assembled so far. */
  readonly numAssembled: number;
  /** Read from disks so far: what the page cache did not have, and what the system read ahead. */
  readonly diskBytes: number;
  /** What it holds now: resident memory, open files and sockets, threads. */
  readonly memoryBytes: number;
  readonly numDescriptors: number;
  readonly numThreads: number;
}

/** What a client does. */
export type ClientTask = { readonly isWarm: boolean } & (
  | {
      readonly kind: 'grpc';
      readonly address: string;
      readonly request: DeepPartial<StreamBatchesRequest>;
    }
  | {
      readonly kind: 'tcp';
      readonly port: number;
      readonly numBytes: number;
      /** Read always into one buffer, in place of a new one for each read. */
      readonly isOneBuffer: boolean;
    }
);

export interface ClientOutcome {
  /** Images, or bytes. */
  readonly amount: number;
  readonly seconds: number;
  readonly cpuMs: number;
  /** From before the connection to the whole first batch. */
  readonly firstBatchMs: number;
}

/** One measured run, of so many images; of all clients together. */
export interface ServeRun {
  readonly numImages: number;
  /** Of the slowest client. */
  readonly seconds: number;
  readonly serverMs: number;
  readonly clientMs: number;
  readonly firstBatchMs: number;
  readonly numAssembled: number;
  readonly diskBytes: number;
}

export interface ServeBench {
  /** Where its splits are. */
  readonly root: string;
  /**
   * Streams of the split `bench` unless the request names another, each to a process of its own, all told to begin at once; with
   * `isCold` nothing has been run before.
   */
  drain(request: DeepPartial<StreamBatchesRequest>, numClients?: number, isCold?: boolean): Promise<ServeRun>;
  /** The same bytes by node:net, counted as so many images. */
  drainTcp(numImages: number, imageBytes: number, isOneBuffer: boolean): Promise<ServeRun>;
  close(): void;
}

export const BATCH_SIZE = 256;
export const NUM_SAMPLES = 1_024;

export interface ServeBenchOptions {
  /** Of the split `bench`. Default {@link NUM_SAMPLES}. */
  readonly numSamples?: number;
  readonly packPath?: string;
}

/** Starts the server over a split `bench` of noise and, with a pack of images, over `originals` and `jpeg`. */
export async function startServeBench({
  numSamples = NUM_SAMPLES,
  packPath,
}: ServeBenchOptions = {}): Promise<ServeBench> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const main = join(import.meta.dirname, 'serve-main.js');
  const server = fork(main, [folder, String(numSamples), ...(packPath === undefined ? [] : [packPath])]);
  const [{ address, tcpPort }] = (await once(server, 'message')) as [ServeBenchReady];

  const measure = async (task: ClientTask, numClients = 1): Promise<ServeRun> => {
    const main = join(import.meta.dirname, 'serve-client-main.js');
    const clients = Array.from({ length: numClients }, () => fork(main, [JSON.stringify(task)]));
    await Promise.all(clients.map((client) => once(client, 'message')));
    const before = await usageOf(server);
    const outcomes = await Promise.all(
      clients.map(async (client) => {
        client.send('go');
        const [outcome] = (await once(client, 'message')) as [ClientOutcome];
        return outcome;
      }),
    );
    const after = await usageOf(server);
    const sum = (field: 'amount' | 'cpuMs'): number => outcomes.reduce((total, it) => total + it[field], 0);
    return {
      numImages: sum('amount'),
      seconds: Math.max(...outcomes.map(({ seconds }) => seconds)),
      serverMs: after.cpuMs - before.cpuMs,
      clientMs: sum('cpuMs'),
      firstBatchMs: outcomes[0].firstBatchMs,
      numAssembled: after.numAssembled - before.numAssembled,
      diskBytes: after.diskBytes - before.diskBytes,
    };
  };

  return {
    root: folder,
    drain(request, numClients = 1, isCold = false) {
      const whole = { dataset: 'bench', split: 'train', globalBatchSize: BATCH_SIZE, ...request };
      return measure({ kind: 'grpc', address, request: whole, isWarm: !isCold }, numClients);
    },
    async drainTcp(numImages, imageBytes, isOneBuffer) {
      const numBytes = numImages * imageBytes;
      return { ...(await measure({ kind: 'tcp', port: tcpPort, numBytes, isOneBuffer, isWarm: true })), numImages };
    },
    close() {
      server.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Asks the process of `serve-main`. */
export async function usageOf(child: ChildProcess): Promise<ServeBenchUsage> {
  child.send('usage');
  const [usage] = (await once(child, 'message')) as [ServeBenchUsage];
  return usage;
}
