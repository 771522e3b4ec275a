/**
 * A trainer as a process of its own, to be ended by a signal: trains on made-up images into a folder, says each step on stdout
 * as JSON, takes signals as the CLI does, and gets no batch after the eighth. Argument: the folder.
 */
import { InterruptedError, throwIfAborted } from '../../lib/core/errors.js';
import { sleep, watchSignals } from '../../lib/platform/lifecycle.js';
import { createReporter } from '../../lib/platform/progress.js';
import { openBackend } from '../../services/trainer/backend/backend.js';
import type { Batch } from '../../services/trainer/client/batch.js';
import { train } from '../../services/trainer/train/train.js';
import { runOptions } from './train-run.js';

const [snapshotFolder] = process.argv.slice(2);
const lifecycle = watchSignals();
const { signal } = lifecycle;
const options = runOptions(await openBackend('wasm'), snapshotFolder);
const FOREVER_MS = 2 ** 31 - 1;

async function* stallingStream(): AsyncGenerator<Batch, void, undefined> {
  let numBatches = 0;
  for await (const batch of options.openStream({ epoch: 0, step: 0 })) {
    if (numBatches++ === 8) await sleep(FOREVER_MS, signal);
    throwIfAborted(signal);
    yield batch;
  }
}

try {
  const reporter = createReporter({ json: true, stdout: process.stdout, stderr: process.stderr });
  await train({ ...options, openStream: stallingStream, displayEvery: 1, signal, reporter });
} catch (error) {
  if (!(error instanceof InterruptedError)) throw error;
  process.exitCode = 130;
} finally {
  lifecycle.dispose();
}
