/** `millrace serve` as a process: its ways to listen, and several processes behind one port. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { credentials } from '@grpc/grpc-js';
import {
  BatchServiceClient,
  StreamBatchesRequest,
  type GetStatusResponse,
} from '../../protos/gen/millrace/v1/batch.js';
import { connect, type Client } from '../../services/trainer/client/client.js';
import { lastJsonLine, millrace, startMillrace } from '../fixtures/cli.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const STREAM = { dataset: 'fixture', split: 'train', batchSize: 4, seed: 3, epochs: 1 } as const;

/** grpc-js has one connection for all clients of an address otherwise. */
const OWN_CONNECTION = { 'grpc.use_local_subchannel_pool': 1 };

describe('millrace serve', () => {
  const folder = temporaryFolder();
  before(async () => {
    const shape = { height: 6, width: 6, channels: 3 };
    await makeSplit(folder.path, { dataset: 'fixture', split: 'train', numSamples: 40, shape, shardSamples: 20 });
  });

  async function start(...flags: string[]): Promise<{ process: ChildProcess; line: Record<string, unknown> }> {
    let child: ChildProcess | undefined;
    const line = await new Promise<Record<string, unknown>>((resolve) => {
      child = startMillrace(['serve', '--root', folder.path, ...flags], resolve);
    });
    assert.equal(line['event'], 'listening', JSON.stringify(line));
    return { process: child!, line };
  }

  async function stop(process: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const exited = once(process, 'exit');
    process.kill(signal);
    await exited;
  }

  async function readEpoch(client: Client): Promise<number[]> {
    const ids: number[] = [];
    for await (const batch of client.stream(STREAM)) ids.push(...batch.ids);
    return ids;
  }

  /** A stream without end that nobody reads; returns what ends it. */
  function openStream(address: string): () => void {
    const stub = new BatchServiceClient(address, credentials.createInsecure(), OWN_CONNECTION);
    const call = stub.streamBatches(
      StreamBatchesRequest.fromPartial({ dataset: 'fixture', split: 'train', globalBatchSize: 4 }),
    );
    call.on('error', () => undefined);
    return () => {
      call.cancel();
      stub.close();
    };
  }

  /** What a trainer is told that asks for shared memory and ends without a word. */
  async function answerToNothing(address: string): Promise<string> {
    const stub = new BatchServiceClient(address, credentials.createInsecure());
    const call = stub.streamSharedBatches();
    call.end();
    const [error] = (await once(call.resume(), 'error')) as [Error];
    stub.close();
    return error.message;
  }

  /** The server's status as soon as it is as expected, asked for over a new connection each time. */
  async function statusOnce(
    address: string,
    holds: (status: GetStatusResponse) => boolean,
  ): Promise<GetStatusResponse> {
    for (;;) {
      const stub = new BatchServiceClient(address, credentials.createInsecure(), OWN_CONNECTION);
      const status = await new Promise<GetStatusResponse>((resolve, reject) => {
        stub.getStatus({ residency: false }, (error, answer) => (error === null ? resolve(answer) : reject(error)));
      }).finally(() => stub.close());
      if (holds(status)) return status;
    }
  }

  it('listens at a unix socket, and takes the place of one that was killed', async () => {
    const path = join(folder.path, 'serve.sock');
    const address = `unix:${path}`;
    const first = await start('--listen', address);
    assert.equal(first.line['address'], address);
    const second = await millrace(['serve', '--root', folder.path, '--listen', address, '--json']);
    assert.match(String(lastJsonLine(second)['message']), /another server listens there/);
    await stop(first.process, 'SIGKILL');
    assert.ok(existsSync(path), 'a killed server leaves its socket behind');

    const third = await start('--listen', address);
    const client = connect({ servers: [address] });
    assert.equal((await readEpoch(client)).length, 40);
    client.close();
    if (process.platform === 'linux') assert.match(await answerToNothing(address), /^3 INVALID_ARGUMENT: open:/);
    await stop(third.process);
    assert.ok(!existsSync(path), 'an ended one does not');
  });

  it('does not take the place of a file, or of somebody else’s socket', async () => {
    const file = join(folder.path, 'file');
    writeFileSync(file, 'precious');
    const overFile = await millrace(['serve', '--root', folder.path, '--listen', `unix:${file}`, '--json']);
    assert.deepEqual([overFile.code, lastJsonLine(overFile)['field']], [2, '--listen']);
    assert.ok(existsSync(file));

    const long = await millrace(['serve', '--root', folder.path, '--listen', `unix:/${'x'.repeat(120)}`, '--json']);
    assert.deepEqual([long.code, lastJsonLine(long)['field']], [2, '--listen']);

    const socket = join(folder.path, 'other.sock');
    const other = createServer().listen(socket);
    await once(other, 'listening');
    const overSocket = await millrace(['serve', '--root', folder.path, '--listen', `unix:${socket}`, '--json']);
    assert.equal(lastJsonLine(overSocket)['code'], 'ERR_UNAVAILABLE');
    other.close();
  });

  it('ends with what to do when a port is taken, alone and as several processes', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = String((taken.address() as AddressInfo).port);
    for (const processes of ['1', '2']) {
      for (const ports of [
        ['--port', port],
        ['--port', '0', '--metrics-port', port],
      ]) {
        const outcome = await millrace(['serve', '--root', folder.path, '--processes', processes, ...ports]);
        assert.equal(outcome.code, 1);
        assert.match(outcome.stderr, new RegExp(`cannot listen on .*; choose another ${ports.at(-2)}`));
      }
    }
    taken.close();
  });

  it('serves from several processes behind one unix socket', async () => {
    const address = `unix:${join(folder.path, 'fleet.sock')}`;
    const first = await start('--listen', address, '--processes', '2');
    await stop(first.process, 'SIGKILL');
    const { process: primary } = await start('--listen', address, '--processes', '2');
    assert.equal((await statusOnce(address, (it) => it.numProcesses === 2)).streams.length, 0);
    const client = connect({ servers: [address] });
    assert.equal((await readEpoch(client)).length, 40);
    client.close();
    await stop(primary);
  });

  it('says where it serves, and that there is nothing to serve yet', async () => {
    const { process, line } = await start('--port', '0', '--metrics-port', '0');
    const { address, metricsPort, message } = line as { address: string; metricsPort: number; message: string };
    assert.match(message, /^serving the splits under \S+ on 127/);
    assert.ok(message.includes(`on ${address}, metrics on http://127.0.0.1:${metricsPort}/metrics; Ctrl-C`), message);
    await stop(process);

    const { process: idle, line: idleLine } = await start('--port', '0', '--root', join(folder.path, 'elsewhere'));
    assert.match(String(idleLine['message']), /\(none yet: "millrace prepare" makes them\)/);
    await stop(idle);
  });

  it('serves from several processes behind one port, and replaces one that is killed', async () => {
    const { process: primary, line } = await start('--processes', '2', '--port', '0', '--metrics-port', '0');
    const client = (): Client => connect({ servers: [String(line['address'])] });
    const metrics = async (): Promise<string> =>
      (await fetch(`http://127.0.0.1:${String(line['metricsPort'])}/metrics`)).text();
    const clients = Array.from({ length: 6 }, client);
    const epochs = await Promise.all(clients.map(readEpoch));
    for (const epoch of epochs) assert.deepEqual(epoch, epochs[0]);
    for (const it of clients) it.close();
    // Sums over both: each client read ten batches.
    assert.match(await metrics(), /^millrace_serve_batches_sent_total 60$/m);
    const streams = [0, 1].map(() => openStream(String(line['address'])));
    const status = await statusOnce(String(line['address']), (it) => it.streams.length === 2);
    assert.deepEqual([status.numProcesses, status.streams.length], [2, 2]);
    assert.ok(status.batchesSent >= 60);
    // Connections go to the processes in turn.
    assert.equal(new Set(status.streams.map(({ processId }) => processId)).size, 2);
    for (const close of streams) close();

    const pids = [...(await metrics()).matchAll(/^millrace_serve_process_info\{pid="(\d+)"\} 1$/gm)].map(
      ([, pid]) => pid,
    );
    assert.equal(pids.length, 2);
    process.kill(Number(pids[0]), 'SIGKILL');
    for (let text = ''; text.includes(`pid="${pids[0]}"`) || (text.match(/pid="/g) ?? []).length !== 2;) {
      text = await metrics();
    }
    const after = client();
    assert.deepEqual(await readEpoch(after), epochs[0]);
    after.close();
    await stop(primary);
    await assert.rejects(metrics());
  });
});
