/**
 * Training through the whole service, each part a process of its own: CIFAR-10 prepared, served and learnt on each backend that
 * this machine has, to the end on the fastest; and steps of CaffeNet.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { readEnvironment } from '../lib/platform/environment.js';
import { packageRoot } from '../lib/platform/package-root.js';
import { archivesFolder } from '../lib/platform/root-layout.js';
import { BACKEND_NAMES } from '../services/trainer/backend/backend.js';
import { connect } from '../services/trainer/client/client.js';
import { makeSplit } from '../test/fixtures/split.js';
import { publish } from './report.js';

const ARCHIVE = 'cifar10-images.tar.gz';
const MAIN = join(packageRoot(), 'dist', 'cli', 'main.js');
const CIFAR = [
  ...['cifar10', '--batch-size', '100', '--crop', '28'],
  ...['--learning-rate', '0.05', '--policy', 'cosine', '--weight-decay', '0.0001'],
];
const CAFFENET = ['caffenet', '--test-split', 'tiny', '--model', 'caffenet', '--batch-size', '8'];
/** Steps that tell a backend's speed. */
const NUM_SHORT_STEPS: Readonly<Record<string, number>> = { cpu: 5, wasm: 60 };
/** On cpu a step takes minutes. */
const NUM_CAFFENET_STEPS: Readonly<Record<string, number>> = { cpu: 0, wasm: 2 };

const resultSchema = z.object({
  device: z.string(),
  steps: z.number(),
  imagesPerSecond: z.number(),
  waitShare: z.number(),
  accuracy: z.object({ top1: z.number() }),
});
type Result = z.output<typeof resultSchema>;

const eventSchema = z.looseObject({ event: z.string(), message: z.string().optional() });

/** `numSteps` is that of the run to the end. Throws Error when the archive is not in MILLRACE_TEST_DATA. */
export async function benchTrain(numSteps = 6_000): Promise<void> {
  const archive = join(readEnvironment().testData, ARCHIVE);
  if (!existsSync(archive)) throw new Error(`this bench needs ${archive}; set MILLRACE_TEST_DATA`);
  const root = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    mkdirSync(archivesFolder(root));
    symlinkSync(archive, join(archivesFolder(root), ARCHIVE));
    await run(root, ['prepare', 'cifar10']);
    const shape = { height: 256, width: 256, channels: 3 };
    const count = { numSamples: 64, shardSamples: 64 };
    await makeSplit(root, { dataset: 'caffenet', split: 'train', shape, ...count });
    await makeSplit(root, { dataset: 'caffenet', split: 'tiny', shape, ...count, numSamples: 16 });
    // What short runs are tested on, since a test is not what they are for.
    await makeSplit(root, { dataset: 'cifar10', split: 'tiny', shape: { ...shape, height: 32, width: 32 }, ...count });
    const server = spawn(process.execPath, [MAIN, 'serve', '--root', root, '--port', '0', '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
      const { address } = z.object({ address: z.string() }).parse(JSON.parse(line));
      await measure(root, address, numSteps);
    } finally {
      server.kill();
      await once(server, 'exit');
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

async function measure(root: string, address: string, numSteps: number): Promise<void> {
  const train = (backend: string, args: readonly string[], steps: number): Promise<Result | string> =>
    run(root, [
      'train',
      ...args,
      '--server',
      address,
      '--backend',
      backend,
      '--steps',
      String(steps),
      '--resume',
      'never',
    ]);
  const feed = await feedRate(address);
  const absent: string[] = [];
  const rows: string[][] = [];
  let fastest = { backend: '', imagesPerSecond: 0 };
  for (const backend of BACKEND_NAMES.slice(1)) {
    const short = await train(backend, [...CIFAR, '--test-split', 'tiny'], NUM_SHORT_STEPS[backend] ?? 100);
    if (typeof short === 'string') {
      absent.push(`- ${short}`);
      continue;
    }
    if (short.imagesPerSecond > fastest.imagesPerSecond) {
      fastest = { backend, imagesPerSecond: short.imagesPerSecond };
    }
    rows.push(row('CIFAR-10, small-convnet', backend, short, feed));
    const numLargeSteps = NUM_CAFFENET_STEPS[backend] ?? 5;
    const large = numLargeSteps === 0 ? '' : await train(backend, CAFFENET, numLargeSteps);
    if (typeof large !== 'string') rows.push(row('CaffeNet, 227×227, batch 8', backend, large));
  }
  const beganAtMs = performance.now();
  const whole = await train(fastest.backend, [...CIFAR, '--test-split', 'test', '--display-every', '200'], numSteps);
  const minutes = (performance.now() - beganAtMs) / 60_000;
  if (typeof whole === 'string') throw new Error(whole);
  const accuracy = `${(whole.accuracy.top1 * 100).toFixed(1)} %`;
  rows.push([
    ...row(`CIFAR-10 to the end, ${minutes.toFixed(1)} min`, fastest.backend, whole, feed).slice(0, -1),
    accuracy,
  ]);
  publish({
    name: 'train',
    title: 'Training through the whole service',
    notes: [
      'Server and trainer are processes on this machine. CIFAR-10: random crop 28, mirror, batch 100, SGD, cosine from 0.05; test',
      'accuracy is top-1 over its 10,000 test images. CaffeNet learns from noise: its speed alone is meant.',
      `The same batches to a client that only drops them: ${feed.toFixed(0)} images/s.`,
      ...(absent.length === 0 ? [] : ['', 'Not on this machine:', '', ...absent]),
    ],
    columns: ['run', 'backend', 'device', 'steps', 'images/s', 'of the feed', 'waiting for data', 'test accuracy'],
    rows,
  });
}

function row(name: string, backend: string, result: Result, feed?: number): string[] {
  return [
    name,
    backend,
    result.device,
    String(result.steps),
    result.imagesPerSecond.toPrecision(3),
    feed === undefined ? '–' : (result.imagesPerSecond / feed).toFixed(3),
    `${(result.waitShare * 100).toFixed(1)} %`,
    '–',
  ];
}

/** Images per second that come to a client, an epoch of CIFAR-10 long. */
async function feedRate(address: string): Promise<number> {
  const client = connect({ servers: [address] });
  const stream = client.stream({
    dataset: 'cifar10',
    split: 'train',
    batchSize: 100,
    epochs: 1,
    transform: { cropSize: 28, mirror: true, mean: 'channel' },
  });
  await stream.next();
  const beganAtMs = performance.now();
  for await (const batch of stream) if (batch.isLastStep) break;
  client.close();
  const { numSamples } = stream.metrics();
  return (numSamples - 100) / ((performance.now() - beganAtMs) / 1000);
}

/** A command's result, or the message of its error when the backend is not to be had. Its events are printed as they come. */
async function run(root: string, args: readonly string[]): Promise<Result | string> {
  console.log(`$ millrace ${args.join(' ')}`);
  const child = spawn(process.execPath, [MAIN, ...args, '--root', root, '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let last: z.output<typeof eventSchema> = { event: 'nothing' };
  for await (const line of createInterface({ input: child.stdout })) {
    last = eventSchema.parse(JSON.parse(line));
    if (last.event === 'step' || last.event === 'test') console.log(`  ${last.message ?? ''}`);
  }
  if (last.event === 'result') return args[0] === 'train' ? resultSchema.parse(last) : '';
  if (last['code'] === 'ERR_BACKEND') return last.message ?? '';
  throw new Error(`millrace ${args[0]}: ${last.message ?? last.event}`);
}
