/** A trainer that goes through many epochs while others come and vanish: what the server holds in the end, beside the beginning. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../lib/platform/lifecycle.js';
import { connect } from '../services/trainer/client/client.js';
import { publish } from './report.js';
import { usageOf, type ServeBenchReady, type ServeBenchUsage } from './serve-bench.js';

/** `MILLRACE_SOAK_EPOCHS` is for a short try. */
const NUM_EPOCHS = Number(process.env['MILLRACE_SOAK_EPOCHS'] ?? 200);
const NUM_SAMPLES = 1000;
const BATCH_SIZE = 100;
const ABORTS_PER_MINUTE = 50;
/** What the server holds is looked at so often. The first epochs fill the memory for batches; what comes after has to stay. */
const LOOK_EPOCHS = Math.ceil(NUM_EPOCHS / 5);

const STREAM = {
  ...{ dataset: 'bench', split: 'train', batchSize: BATCH_SIZE, seed: 1, prefetchBytes: 0 },
  transform: { cropSize: 227, mirror: true },
} as const;

export async function benchServeSoak(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const child = fork(join(import.meta.dirname, 'serve-main.js'), [folder, String(NUM_SAMPLES)]);
  try {
    const [{ address }] = (await once(child, 'message')) as [ServeBenchReady];
    const ended = new AbortController();
    const aborting = abortOften(address, ended.signal);
    const client = connect({ servers: [address] });
    let numImages = 0;
    const looks: { readonly when: string; readonly usage: ServeBenchUsage }[] = [];
    const look = async (when: string): Promise<void> => {
      console.log(`serve-soak: ${when}`);
      looks.push({ when, usage: await usageOf(child) });
    };
    const beganAtMs = performance.now();
    for await (const { ids, epoch, isLastStep } of client.stream({ ...STREAM, epochs: NUM_EPOCHS })) {
      numImages += ids.length;
      if (isLastStep && (epoch + 1) % LOOK_EPOCHS === 0) await look(`after ${epoch + 1} epochs`);
    }
    const seconds = (performance.now() - beganAtMs) / 1000;
    client.close();
    ended.abort();
    const numAborts = await aborting;
    await settle(child, looks[0]?.usage.numDescriptors ?? 0);
    await look('with all clients gone');
    publish({
      name: 'serve-soak',
      title: 'A server in the long run',
      notes: [
        `One trainer through ${NUM_EPOCHS} epochs of ${NUM_SAMPLES} raw 256×256 records (${numImages} images in ${seconds.toFixed(0)} s), while ${numAborts} others`,
        `connected (${ABORTS_PER_MINUTE} a minute), took one to three batches and vanished without a word. The server's process; the batches' memory is part of it.`,
      ],
      columns: ['when', 'resident MiB', 'descriptors', 'threads'],
      rows: looks.map(({ when, usage }) => [
        when,
        (usage.memoryBytes / 2 ** 20).toFixed(0),
        usage.numDescriptors,
        usage.numThreads,
      ]),
    });
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Resolves with how many it was, once the signal is aborted. */
async function abortOften(address: string, signal: AbortSignal): Promise<number> {
  let numAborts = 0;
  while (!signal.aborted) {
    const client = connect({ servers: [address] });
    const wanted = 1 + (numAborts % 3);
    let numTaken = 0;
    for await (const { ids } of client.stream(STREAM)) {
      numTaken += ids.length;
      if (numTaken >= wanted * BATCH_SIZE) break;
    }
    client.close();
    numAborts++;
    await sleep(60_000 / ABORTS_PER_MINUTE, signal);
  }
  return numAborts;
}

/** Until the server has noticed that its clients are gone. */
async function settle(child: ChildProcess, numDescriptors: number): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    if ((await usageOf(child)).numDescriptors <= numDescriptors) return;
    await sleep(100);
  }
}
