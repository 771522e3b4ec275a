/**
 * Batches to a draining client in another process, beside the same bytes over a plain TCP connection: what gRPC, assembly and
 * reading cost together.
 */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { ChannelOrder, Layout, WireDtype, type DeepPartial, type Transform } from '../protos/gen/millrace/v1/batch.js';
import { median, publish } from './report.js';
import { BATCH_SIZE, drainStream, NUM_SAMPLES, startServeBench, type ServeRun } from './serve-bench.js';

const NUM_RUNS = 5;
const NUM_EPOCHS = 8;
const NUM_IMAGES = NUM_SAMPLES * NUM_EPOCHS;
const CROP = 227;
const READ_BUFFER = Buffer.allocUnsafe(1 << 20);

const WAYS: Readonly<Record<string, DeepPartial<Transform>>> = {
  'uint8 NHWC': {},
  'uint8 NCHW': { layout: Layout.NCHW },
  'uint8 NHWC, RGB': { channelOrder: ChannelOrder.RGB },
  'float16 NCHW': { layout: Layout.NCHW, dtype: WireDtype.FLOAT16 },
  'float32 NCHW': { layout: Layout.NCHW, dtype: WireDtype.FLOAT32 },
};

export async function benchServe(): Promise<void> {
  const bench = await startServeBench();
  try {
    const firstBatchMs = await timeToFirstBatch(bench.address);
    const rows: string[][] = [];
    for (const [name, way] of Object.entries(WAYS)) {
      const transform = { cropSize: CROP, mirror: true, ...way };
      const sampleBytes = CROP * CROP * 3 * ({ float16: 2, float32: 4 }[name.split(' ')[0]] ?? 1);
      const drain = (): Promise<number> => drainStream(bench.address, { seed: 1, numEpochs: NUM_EPOCHS, transform });
      const grpc: ServeRun[] = [];
      const tcp: ServeRun[] = [];
      const ownBuffer: ServeRun[] = [];
      await bench.measure(drain);
      for (let run = 0; run < NUM_RUNS; run++) {
        grpc.push(await bench.measure(drain));
        tcp.push(await bench.measure(() => drainTcp(bench.tcpPort, NUM_IMAGES * sampleBytes)));
        ownBuffer.push(await bench.measure(() => drainTcp(bench.tcpPort, NUM_IMAGES * sampleBytes, READ_BUFFER)));
      }
      rows.push(
        rowOf(name, grpc, tcp),
        rowOf('  as many bytes by node:net', tcp, tcp),
        rowOf('  the same, always into one buffer', ownBuffer, tcp),
      );
    }
    publish({
      name: 'serve',
      title: 'Batches to a draining client',
      notes: [
        `Raw 256×256 records, random crop ${CROP}, mirror, mean image where floats are sent, batch ${BATCH_SIZE}, full shuffle; server`,
        'and client (TypeScript, frames decoded and dropped) on the same machine, page cache warm; medians of',
        `${NUM_RUNS} alternating runs of ${NUM_IMAGES} images. CPU is user + system, all threads. The floor of node:net`,
        `sends one buffer over and over. First batch of a split that nobody had opened: ${firstBatchMs.toFixed(0)} ms.`,
      ],
      columns: ['way', 'images/s', 'of node:net', 'server CPU ms/image', 'client CPU ms/image', 'both'],
      rows,
    });
  } finally {
    bench.close();
  }
}

function rowOf(name: string, runs: readonly ServeRun[], floor: readonly ServeRun[]): string[] {
  const rate = ({ numImages, seconds }: ServeRun): number => numImages / seconds;
  const server = median(runs.map((run) => run.serverMs / run.numImages));
  const client = median(runs.map((run) => run.clientMs / run.numImages));
  return [
    name,
    median(runs.map(rate)).toFixed(0),
    // Run by run: what slows the machine for a while slows both.
    median(runs.map((run, i) => rate(run) / rate(floor[i]))).toFixed(2),
    server.toFixed(3),
    client.toFixed(3),
    (server + client).toFixed(3),
  ];
}

async function timeToFirstBatch(address: string): Promise<number> {
  const beganAtMs = performance.now();
  let firstMs = 0;
  await drainStream(address, { numEpochs: 1, transform: { cropSize: CROP } }, () => {
    firstMs = performance.now() - beganAtMs;
  });
  return firstMs;
}

/** @param buffer to read into, in place of a new one for each read */
async function drainTcp(port: number, wanted: number, buffer?: Buffer): Promise<number> {
  let received = 0;
  const take = (length: number): boolean => {
    received += length;
    if (received >= wanted) socket.destroy();
    return true;
  };
  const socket = connectTcp({ port, ...(buffer !== undefined && { onread: { buffer, callback: take } }) });
  if (buffer === undefined) socket.on('data', ({ length }) => take(length));
  await once(socket, 'close');
  return NUM_IMAGES;
}
