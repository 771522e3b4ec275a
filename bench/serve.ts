/**
 * Batches to a draining client in another process, beside the same bytes over a plain TCP connection: what gRPC, assembly and
 * reading cost together.
 */
import { ChannelOrder, Layout, WireDtype, type DeepPartial, type Transform } from '../protos/gen/millrace/v1/batch.js';
import { median, publish } from './report.js';
import { BATCH_SIZE, NUM_SAMPLES, startServeBench, type ServeRun } from './serve-bench.js';

const NUM_RUNS = 5;
const NUM_EPOCHS = 4;
const NUM_IMAGES = NUM_SAMPLES * NUM_EPOCHS;
const CROP = 227;

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
    const { firstBatchMs } = await bench.drain({ numEpochs: 1, transform: { cropSize: CROP } }, 1, true);
    const rows: string[][] = [];
    for (const [name, way] of Object.entries(WAYS)) {
      const transform = { cropSize: CROP, mirror: true, ...way };
      const sampleBytes = CROP * CROP * 3 * ({ float16: 2, float32: 4 }[name.split(' ')[0]] ?? 1);
      const request = { seed: 1, numEpochs: NUM_EPOCHS, transform };
      const grpc: ServeRun[] = [];
      const tcp: ServeRun[] = [];
      const oneBuffer: ServeRun[] = [];
      for (let run = 0; run < NUM_RUNS; run++) {
        grpc.push(await bench.drain(request));
        tcp.push(await bench.drainTcp(NUM_IMAGES, sampleBytes, false));
        oneBuffer.push(await bench.drainTcp(NUM_IMAGES, sampleBytes, true));
      }
      rows.push(
        rowOf(name, grpc, tcp),
        rowOf('  as many bytes by node:net', tcp, tcp),
        rowOf('  the same, always into one buffer', oneBuffer, tcp),
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
