/**
 * A draining client of the serve benches, in a process of its own as a trainer's is: what else a process holds makes its garbage
 * collections dearer. Argument: the task, as JSON. Warms up, says so, waits to be told, runs, and tells what it took.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { credentials } from '@grpc/grpc-js';
import { BatchServiceClient, StreamBatchesRequest, type BatchFrame } from '../protos/gen/millrace/v1/batch.js';
import type { ClientOutcome, ClientTask } from './serve-bench.js';

const task = JSON.parse(process.argv[2]) as ClientTask;
let firstBatchMs = 0;

async function drainStream({ address, request }: Extract<ClientTask, { kind: 'grpc' }>): Promise<number> {
  const beganAtMs = performance.now();
  const client = new BatchServiceClient(address, credentials.createInsecure(), {
    'grpc-node.flow_control_window': 4 << 20,
  });
  const call = client.streamBatches(StreamBatchesRequest.fromPartial(request));
  let numImages = 0;
  for await (const frame of call as AsyncIterable<BatchFrame>) {
    numImages += frame.ids.length;
    if (frame.pixels.length === 0) throw new Error('a frame without pixels');
    if (numImages === frame.batchSize) firstBatchMs = performance.now() - beganAtMs;
  }
  client.close();
  return numImages;
}

async function drainTcp({ port, numBytes, isOneBuffer }: Extract<ClientTask, { kind: 'tcp' }>): Promise<number> {
  let received = 0;
  const take = (length: number): boolean => {
    received += length;
    if (received >= numBytes) socket.destroy();
    return true;
  };
  const onread = { buffer: Buffer.allocUnsafe(1 << 20), callback: take };
  const socket = connect({ port, ...(isOneBuffer && { onread }) });
  if (!isOneBuffer) socket.on('data', ({ length }) => take(length));
  await once(socket, 'close');
  return received;
}

function run(): Promise<number> {
  return task.kind === 'tcp' ? drainTcp(task) : drainStream(task);
}

if (task.isWarm) await run();
const told = once(process, 'message');
process.send?.('ready');
await told;
const before = process.cpuUsage();
const beganAtMs = performance.now();
const amount = await run();
const { user, system } = process.cpuUsage(before);
const seconds = (performance.now() - beganAtMs) / 1000;
const outcome: ClientOutcome = { amount, seconds, cpuMs: (user + system) / 1000, firstBatchMs };
process.send?.(outcome);
process.disconnect();
