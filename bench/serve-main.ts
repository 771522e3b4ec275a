/** The server side of the serve bench: a split of noise, the batch server, and a plain TCP sender to compare with. */
import { readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createLogger } from '../lib/platform/logger.js';
import { BatchServer } from '../services/batch-server/server.js';
import { makeSplit } from '../test/fixtures/split.js';
import type { ServeBenchReady, ServeBenchUsage } from './serve.js';

const [folder, numSamples] = process.argv.slice(2);
await makeSplit(folder, {
  dataset: 'bench',
  split: 'train',
  numSamples: Number(numSamples),
  shape: { height: 256, width: 256, channels: 3 },
  shardSamples: 250,
});
const server = BatchServer.create({ root: folder, port: 0 }, createLogger('bench', 'error'));
await server.start();

const chunk = Buffer.alloc(1 << 20, 7);
const tcp = createServer((socket) => {
  const send = (): void => {
    while (socket.write(chunk));
  };
  socket.on('drain', send).on('error', () => socket.destroy());
  send();
});
tcp.listen(0, '127.0.0.1', () => {
  const ready: ServeBenchReady = { address: server.address, tcpPort: (tcp.address() as AddressInfo).port };
  process.send?.(ready);
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  const usage: ServeBenchUsage = {
    cpuMs: (user + system) / 1000,
    memoryBytes: process.memoryUsage.rss(),
    numDescriptors: readdirSync('/proc/self/fd').length,
    numThreads: readdirSync('/proc/self/task').length,
  };
  process.send?.(usage);
});
process.on('disconnect', () => process.exit());
