/** What the serve benches share: a server in a process of its own, and draining clients in this one. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import {
  BatchServiceClient,
  StreamBatchesRequest,
  type BatchFrame,
  type DeepPartial,
} from '../protos/gen/millrace/v1/batch.js';

export interface ServeBenchReady {
  readonly address: string;
  readonly tcpPort: number;
}

export interface ServeBenchUsage {
  /** User + system time of the process so far, all threads. */
  readonly cpuMs: number;
  /** Frames assembled so far. */
  readonly numAssembled: number;
  /** What it holds now: resident memory, open files and sockets, threads. */
  readonly memoryBytes: number;
  readonly numDescriptors: number;
  readonly numThreads: number;
}

/** One measured run. */
export interface ServeRun {
  readonly numImages: number;
  readonly seconds: number;
  readonly serverMs: number;
  readonly clientMs: number;
  readonly numAssembled: number;
}

export interface ServeBench extends ServeBenchReady {
  /** Runs something that receives images from the server, and measures both processes meanwhile. */
  measure(drain: () => Promise<number>): Promise<ServeRun>;
  close(): void;
}

export const BATCH_SIZE = 256;
export const NUM_SAMPLES = 1_024;

/** Starts the server over a split `bench` of noise and, with a pack of images, over `originals` and `jpeg`. */
export async function startServeBench(packPath?: string): Promise<ServeBench> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const main = join(import.meta.dirname, 'serve-main.js');
  const child = fork(main, [folder, String(NUM_SAMPLES), ...(packPath === undefined ? [] : [packPath])]);
  const [ready] = (await once(child, 'message')) as [ServeBenchReady];
  return {
    ...ready,
    async measure(drain) {
      const serverBefore = await usageOf(child);
      const before = process.cpuUsage();
      const beganAtMs = performance.now();
      const numImages = await drain();
      const seconds = (performance.now() - beganAtMs) / 1000;
      const { user, system } = process.cpuUsage(before);
      const serverAfter = await usageOf(child);
      return {
        numImages,
        seconds,
        serverMs: serverAfter.cpuMs - serverBefore.cpuMs,
        clientMs: (user + system) / 1000,
        numAssembled: serverAfter.numAssembled - serverBefore.numAssembled,
      };
    },
    close() {
      child.kill();
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

/**
 * Receives and decodes the frames of a stream, and drops them. Returns how many images came.
 *
 * @param onFirstBatch called when the first batch is there
 */
export async function drainStream(
  address: string,
  request: DeepPartial<StreamBatchesRequest>,
  onFirstBatch?: () => void,
): Promise<number> {
  const client = new BatchServiceClient(address, credentials.createInsecure(), {
    'grpc-node.flow_control_window': 4 << 20,
    // A connection of its own, as a trainer has.
    'grpc.use_local_subchannel_pool': 1,
  });
  const call = client.streamBatches(
    StreamBatchesRequest.fromPartial({ dataset: 'bench', split: 'train', globalBatchSize: BATCH_SIZE, ...request }),
  );
  let numImages = 0;
  for await (const frame of call as AsyncIterable<BatchFrame>) {
    numImages += frame.ids.length;
    if (frame.pixels.length === 0) throw new Error('a frame without pixels');
    if (numImages === BATCH_SIZE) onFirstBatch?.();
  }
  client.close();
  return numImages;
}
