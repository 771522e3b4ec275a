/** Training fed by real servers that go away, by trainers that are killed, and by several ranks. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../../lib/platform/logger.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { openBackend } from '../../services/trainer/backend/backend.js';
import { connect } from '../../services/trainer/client/client.js';
import { train } from '../../services/trainer/train/train.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { servedOptions, SERVED_SPLIT } from './train-run.js';

describe('a trainer and its servers', () => {
  const folder = temporaryFolder();
  const servers: BatchServer[] = [];

  async function startServer(): Promise<BatchServer> {
    const server = BatchServer.create({ root: folder.path, port: 0, drainMs: 100 }, createLogger('test', 'silent'));
    await server.start();
    servers.push(server);
    return server;
  }

  before(() => makeSplit(folder.path, SERVED_SPLIT));
  after(() => Promise.all(servers.map((server) => server.destroy())));

  it('come to the same losses and bytes when the server is lost, and then the trainer, and others take over', async () => {
    const [lost, other] = [await startServer(), await startServer()];
    const disturbed = join(folder.path, 'disturbed');
    const program = fileURLToPath(new URL('train-process.js', import.meta.url));
    const child = spawn(process.execPath, [program, disturbed, lost.address, other.address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let lastStep = 0;
    let numStepsSinceLoss = NaN;
    for await (const line of createInterface(child.stdout)) {
      const { event, runStep } = JSON.parse(line) as { event: string; runStep: number };
      if (event === 'reconnect') numStepsSinceLoss = 0;
      if (event !== 'step') continue;
      lastStep = runStep;
      if (runStep === 4) await lost.destroy();
      // One step past a snapshot, at the least.
      if (++numStepsSinceLoss === 4) child.kill('SIGKILL');
    }
    assert.deepEqual(await exited, [null, 'SIGKILL']);

    const backend = await openBackend('wasm');
    const client = connect({ servers: [other.address] });
    const result = await train(servedOptions(backend, client, disturbed, lastStep + 3));
    const undisturbed = join(folder.path, 'undisturbed');
    const expected = await train(servedOptions(backend, client, undisturbed, lastStep + 3));
    client.close();
    assert.deepEqual(result.losses, expected.losses);
    assert.deepEqual(await readFile(result.checkpoint), await readFile(expected.checkpoint));
  });

  it('give a world of 1, 2 or 4 the same samples at every step, each to one rank', async () => {
    const server = await startServer();
    const client = connect({ servers: [server.address] });
    const globalBatchSize = 8;
    const idsByStep = async (worldSize: number): Promise<number[][]> => {
      const steps: number[][] = [];
      for (let rank = 0; rank < worldSize; rank++) {
        const { dataset, split } = SERVED_SPLIT;
        const batchSize = globalBatchSize / worldSize;
        let step = 0;
        for await (const { ids } of client.stream({ dataset, split, batchSize, rank, worldSize, seed: 9, epochs: 2 })) {
          assert.equal(ids.length, batchSize);
          (steps[step++] ??= []).push(...ids);
        }
      }
      return steps.map((ids) => ids.sort((a, b) => a - b));
    };
    const alone = await idsByStep(1);
    assert.equal(alone.length, 2 * Math.floor(SERVED_SPLIT.numSamples / globalBatchSize));
    for (const ids of alone) assert.equal(new Set(ids).size, globalBatchSize);
    for (const worldSize of [2, 4]) assert.deepEqual(await idsByStep(worldSize), alone);
    client.close();
  });
});
