/**
 * A trainer as a process of its own, to be ended by a signal; says each step on stdout as JSON and takes signals as the CLI does.
 * Arguments: the folder, and servers. Without servers it trains on made-up images, and gets no batch after the eighth;
 * with them it trains until it is ended.
 */
import { InterruptedError, throwIfAborted } from '../../lib/core/errors.js';
import { sleep, watchSignals } from '../../lib/platform/lifecycle.js';
import { createReporter } from '../../lib/platform/progress.js';
import { openBackend } from '../../services/trainer/backend/backend.js';
import type { Batch } from '../../services/trainer/client/batch.js';
import { connect, type Client } from '../../services/trainer/client/client.js';
import { train } from '../../services/trainer/train/train.js';
import { runOptions, servedOptions } from './train-run.js';

const [snapshotFolder, ...servers] = process.argv.slice(2);
const lifecycle = watchSignals();
const { signal } = lifecycle;
const reporter = createReporter({ json: true, stdout: process.stdout, stderr: process.stderr });
const backend = await openBackend('wasm');
const FOREVER_MS = 2 ** 31 - 1;

async function* stallingStream(): AsyncGenerator<Batch, void, undefined> {
  let numBatches = 0;
  for await (const batch of runOptions(backend, snapshotFolder).openStream({ epoch: 0, step: 0 })) {
    if (numBatches++ === 8) await sleep(FOREVER_MS, signal);
    throwIfAborted(signal);
    yield batch;
  }
}

let client: Client | undefined;
try {
  if (servers.length > 0) {
    client = connect({
      servers,
      backoff: { baseMs: 1, maxMs: 5 },
      onReconnect: ({ server, reason }) => reporter.event('reconnect', reason, { server }),
    });
  }
  const options =
    client === undefined
      ? { ...runOptions(backend, snapshotFolder), openStream: stallingStream }
      : servedOptions(backend, client, snapshotFolder, Number.MAX_SAFE_INTEGER);
  await train({ ...options, displayEvery: 1, signal, reporter });
} catch (error) {
  if (!(error instanceof InterruptedError)) throw error;
  process.exitCode = 130;
} finally {
  client?.close();
  lifecycle.dispose();
}
