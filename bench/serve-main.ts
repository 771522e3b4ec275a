/** The server side of the serve bench: a split of noise, the batch server, and a plain TCP sender to compare with. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { encodeJpeg, toPicture } from '../lib/pixels/encode.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { createLogger } from '../lib/platform/logger.js';
import { BatchServer } from '../services/batch-server/server.js';
import { makeSplit } from '../test/fixtures/split.js';
import { pack, unpack } from './pixels-pack.js';
import type { ServeBenchReady, ServeBenchUsage } from './serve-bench.js';

const [folder, numSamples] = process.argv.slice(2);
const packPath = process.argv.at(4);
const fixture = { split: 'train', shape: { height: 256, width: 256, channels: 3 }, shardSamples: 250 };
await makeSplit(folder, { ...fixture, dataset: 'bench', numSamples: Number(numSamples) });
if (packPath !== undefined) {
  const originals = unpack(readFileSync(packPath));
  await makeSplit(folder, { ...fixture, dataset: 'originals', numSamples: originals.length, originals });
  const pipeline = createPixelPipeline({
    resize: { resize: 'caffe', fit: 'exact', size: fixture.shape },
    turbojpeg: undefined,
  });
  const encoded: Buffer[] = [];
  for (const file of originals) {
    const { data, ...shape } = await pipeline.convert(file);
    encoded.push(await encodeJpeg({ ...toPicture(shape, data), quality: 95 }));
  }
  await makeSplit(folder, { ...fixture, dataset: 'jpeg', numSamples: encoded.length, originals: encoded });
  writeFileSync(`${packPath}-256`, pack(encoded));
}
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
  void server.registry.getSingleMetricAsString('millrace_serve_frame_assembly_seconds').then((text) => {
    const { user, system } = process.cpuUsage();
    const numAssembled = Number(/_count (\d+)/.exec(text)?.[1] ?? 0);
    const usage: ServeBenchUsage = {
      cpuMs: (user + system) / 1000,
      numAssembled,
      memoryBytes: process.memoryUsage.rss(),
      numDescriptors: readdirSync('/proc/self/fd').length,
      numThreads: readdirSync('/proc/self/task').length,
    };
    process.send?.(usage);
  });
});
process.on('disconnect', () => process.exit());
