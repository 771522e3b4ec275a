/**
 * Batches to a draining client in another process, beside the same bytes over a plain TCP connection: what gRPC, assembly and
 * reading cost together.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { BatchServiceClient, StreamBatchesRequest, type BatchFrame } from '../protos/gen/millrace/v1/batch.js';
import { median, publish } from './report.js';

export interface ServeBenchReady {
  readonly address: string;
  readonly tcpPort: number;
}

export interface ServeBenchUsage {
  /** User + system time of this process so far. */
  readonly cpuMs: number;
  /** What it holds now: resident memory, open files and sockets, threads. */
  readonly memoryBytes: number;
  readonly numDescriptors: number;
  readonly numThreads: number;
}

const NUM_RUNS = 5;
const NUM_SAMPLES = 1_000;
const BATCH_SIZE = 250;
const SAMPLE_BYTES = 227 * 227 * 3;
const NUM_IMAGES = NUM_SAMPLES * 8;

interface Run {
  readonly imagesPerSecond: number;
  readonly serverMs: number;
  readonly clientMs: number;
}

export async function benchServe(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const child = fork(join(import.meta.dirname, 'serve-main.js'), [folder, String(NUM_SAMPLES)]);
  try {
    const [ready] = (await once(child, 'message')) as [ServeBenchReady];
    const grpc: Run[] = [];
    const tcp: Run[] = [];
    await measure(child, () => drainGrpc(ready.address));
    for (let run = 0; run < NUM_RUNS; run++) {
      grpc.push(await measure(child, () => drainGrpc(ready.address)));
      tcp.push(await measure(child, () => drainTcp(ready.tcpPort)));
    }
    const row = (name: string, runs: Run[]): string[] => {
      const rate = median(runs.map((run) => run.imagesPerSecond));
      const server = median(runs.map((run) => run.serverMs));
      const client = median(runs.map((run) => run.clientMs));
      const ratio = rate / median(tcp.map((run) => run.imagesPerSecond));
      return [
        name,
        rate.toFixed(0),
        ratio.toFixed(2),
        server.toFixed(3),
        client.toFixed(3),
        (server + client).toFixed(3),
      ];
    };
    publish({
      name: 'serve',
      title: 'Batches to a draining client',
      notes: [
        'Raw 256×256 records, random crop 227, mirror, uint8 NHWC, batch 250, full shuffle; server and client on the same machine,',
        `page cache warm; medians of ${NUM_RUNS} alternating runs of ${NUM_IMAGES} images. CPU is user + system, all threads.`,
      ],
      columns: ['way', 'images/s', 'of plain TCP', 'server CPU ms/image', 'client CPU ms/image', 'both'],
      rows: [row('gRPC, assembled from LMDB', grpc), row('plain TCP, one buffer over and over', tcp)],
    });
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(child: ChildProcess, drain: () => Promise<number>): Promise<Run> {
  const serverBefore = await usageOf(child);
  const before = process.cpuUsage();
  const beganAtMs = performance.now();
  const numImages = await drain();
  const seconds = (performance.now() - beganAtMs) / 1000;
  const { user, system } = process.cpuUsage(before);
  const serverAfter = await usageOf(child);
  return {
    imagesPerSecond: numImages / seconds,
    serverMs: (serverAfter.cpuMs - serverBefore.cpuMs) / numImages,
    clientMs: (user + system) / 1000 / numImages,
  };
}

/** Asks the process of `serve-main`. */
export async function usageOf(child: ChildProcess): Promise<ServeBenchUsage> {
  child.send('usage');
  const [usage] = (await once(child, 'message')) as [ServeBenchUsage];
  return usage;
}

async function drainGrpc(address: string): Promise<number> {
  const client = new BatchServiceClient(address, credentials.createInsecure(), {
    'grpc-node.flow_control_window': 16 << 20,
  });
  const call = client.streamBatches(
    StreamBatchesRequest.fromPartial({
      dataset: 'bench',
      split: 'train',
      globalBatchSize: BATCH_SIZE,
      numEpochs: NUM_IMAGES / NUM_SAMPLES,
      seed: 1,
      transform: { cropSize: 227, mirror: true },
    }),
  );
  let numImages = 0;
  for await (const frame of call as AsyncIterable<BatchFrame>) {
    if (frame.pixels.length !== frame.ids.length * SAMPLE_BYTES) throw new Error('a frame of the wrong size');
    numImages += frame.ids.length;
  }
  client.close();
  return numImages;
}

async function drainTcp(port: number): Promise<number> {
  const wanted = NUM_IMAGES * SAMPLE_BYTES;
  let received = 0;
  const socket = connectTcp({
    port,
    onread: {
      buffer: Buffer.allocUnsafe(1 << 20),
      callback(length) {
        received += length;
        if (received >= wanted) socket.destroy();
        return true;
      },
    },
  });
  await once(socket, 'close');
  return NUM_IMAGES;
}
