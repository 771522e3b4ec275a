/** The server side of the serve benches, of splits that it has made first, and a plain TCP sender to compare with. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createLogger } from '../lib/platform/logger.js';
import { BatchServer } from '../services/batch-server/server.js';
import type { ServeBenchReady, ServeBenchUsage } from './serve-bench.js';

const args = process.argv.slice(2);
const [code] = (await once(fork(join(import.meta.dirname, 'serve-split-main.js'), args), 'exit')) as [number | null];
if (code !== 0) throw new Error(`making the splits ended with code ${code}`);
const server = BatchServer.create({ root: args[0], port: 0 }, createLogger('bench', 'error'));
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
  void server.registry.getSingleMetricAsString('millrace_serve_frame_assembly_seconds').then((text) => {
    const { user, system } = process.cpuUsage();
    const numAssembled = Number(/_count (\d+)/.exec(text)?.[1] ?? 0);
    const usage: ServeBenchUsage = {
      cpuMs: (user + system) / 1000,
      numAssembled,
      diskBytes: Number(/^read_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]),
      memoryBytes: process.memoryUsage.rss(),
      numDescriptors: readdirSync('/proc/self/fd').length,
      numThreads: readdirSync('/proc/self/task').length,
    };
    process.send?.(usage);
  });
});
process.on('disconnect', () => process.exit());
