/** Records that are image files, decoded as they are served, beside OpenCV that decodes the same files and nothing else. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../lib/platform/package-root.js';
import { readImages } from './images.js';
import { pack } from './pixels-pack.js';
import { median, publish } from './report.js';
import { startServeBench } from './serve-bench.js';

const execute = promisify(execFile);

const NUM_RUNS = 3;
const NUM_EPOCHS = 4;
const BATCH_SIZE = 50;

const OPENCV = `
import cv2, json, numpy, struct, sys, time
cv2.setNumThreads(1)
pack, rounds, resize = open(sys.argv[1], 'rb').read(), int(sys.argv[2]), sys.argv[3] == 'resize'
files, at = [], 4
while at < len(pack):
    size, = struct.unpack_from('<I', pack, at)
    files.append(numpy.frombuffer(pack, numpy.uint8, size, at + 4))
    at += 4 + size
cpu = time.process_time()
for _ in range(rounds):
    for file in files:
        image = cv2.imdecode(file, cv2.IMREAD_COLOR)
        if resize: cv2.resize(image, (256, 256))
print(json.dumps(dict(numImages=len(files) * rounds, cpuMs=(time.process_time() - cpu) * 1e3)))
`;

/** A split of the bench server, and what OpenCV does with its files. */
const FORMS = [
  { dataset: 'originals', what: 'originals, resized to 256×256', suffix: '', opencv: 'resize' },
  { dataset: 'jpeg', what: '256×256 JPEGs of quality 95', suffix: '-256', opencv: 'decode' },
] as const;

export async function benchServeJpeg(): Promise<void> {
  const python = join(packageRoot(), '.venv', 'bin', 'python');
  if (!existsSync(python)) {
    console.log('serve-jpeg: left out, no OpenCV: "make tools" sets it up');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const packPath = join(folder, 'pack');
  const images = await readImages(folder);
  writeFileSync(packPath, pack(images.files));
  const bench = await startServeBench({ packPath });
  try {
    const rows: string[][] = [];
    for (const { dataset, what, suffix, opencv } of FORMS) {
      const transform = { cropSize: 227, mirror: true };
      const request = { dataset, seed: 1, globalBatchSize: BATCH_SIZE, numEpochs: NUM_EPOCHS, transform };
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let run = 0; run < NUM_RUNS; run++) {
        const { serverMs, numImages } = await bench.drain(request);
        ours.push(serverMs / numImages);
        const { stdout } = await execute(python, ['-c', OPENCV, packPath + suffix, String(NUM_EPOCHS), opencv]);
        const peer = JSON.parse(stdout) as { cpuMs: number; numImages: number };
        theirs.push(peer.cpuMs / peer.numImages);
      }
      const ratio = median(ours.map((cpuMs, i) => theirs[i] / cpuMs));
      const rates = [ours, theirs].map((cpuMs) => (1000 / median(cpuMs)).toFixed(0));
      rows.push([what, ...rates, ratio.toFixed(2)]);
    }
    publish({
      name: 'serve-jpeg',
      title: 'Records that are image files',
      notes: [
        `${images.files.length} ${images.what}. Images per second of CPU: of the server, which reads, decodes, crops to 227×227, mirrors, frames and sends`,
        `them; of OpenCV in Python, which decodes them (and resizes the originals) and does no more. Medians of ${NUM_RUNS} alternating runs.`,
      ],
      columns: ['records', 'server, images per CPU second', 'OpenCV', 'of OpenCV'],
      rows,
    });
  } finally {
    bench.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
