/** One, two, four and eight trainers that ask for the same batches: assembled once, and as much on the wire as it takes. */
import { median, publish } from './report.js';
import { BATCH_SIZE, NUM_SAMPLES, startServeBench, type ServeRun } from './serve-bench.js';

const NUM_RUNS = 3;
const NUM_EPOCHS = 2;
const NUM_CLIENTS = [1, 2, 4, 8];

export async function benchServeShared(): Promise<void> {
  const bench = await startServeBench();
  try {
    const runs = new Map<number, ServeRun[]>(NUM_CLIENTS.map((numClients) => [numClients, []]));
    const request = { seed: 1, numEpochs: NUM_EPOCHS, transform: { cropSize: 227, mirror: true } };
    for (let run = 0; run < NUM_RUNS; run++) {
      for (const numClients of NUM_CLIENTS) {
        runs.get(numClients)?.push(await bench.drain(request, numClients));
      }
    }
    const framesPerStream = median((runs.get(1) ?? []).map((run) => run.numAssembled));
    publish({
      name: 'serve-shared',
      title: 'Trainers that ask for the same batches',
      notes: [
        `As in serve.md, uint8 NHWC, ${NUM_EPOCHS} epochs of ${NUM_SAMPLES} samples in batches of ${BATCH_SIZE}; each client a process of its`,
        `own, all on the cores of the server; medians of ${NUM_RUNS} alternating runs. Assembled: frames assembled, over those of one stream.`,
      ],
      columns: ['clients', 'images/s together', 'server CPU ms/image', 'client CPU ms/image', 'assembled'],
      rows: NUM_CLIENTS.map((numClients) => {
        const own = runs.get(numClients) ?? [];
        return [
          numClients,
          median(own.map((run) => run.numImages / run.seconds)).toFixed(0),
          median(own.map((run) => run.serverMs / run.numImages)).toFixed(3),
          median(own.map((run) => run.clientMs / run.numImages)).toFixed(3),
          (median(own.map((run) => run.numAssembled)) / framesPerStream).toFixed(2),
        ];
      }),
    });
  } finally {
    bench.close();
  }
}
