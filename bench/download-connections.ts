/** How much of a server that limits each connection several connections get. */
import { MIB, type BenchArchive } from './download-archive.js';
import { startPacedServer } from './download-paced.js';
import { measureRun, withFolder } from './download-run.js';
import { aria2, millrace, type Tool } from './download-tools.js';
import { median, publish } from './report.js';

const NUM_RUNS = 3;
const LIMIT = 25 * MIB;
const BYTES_PER_CONNECTION = 128 * MIB;

interface Shares {
  readonly asServed: number;
  readonly ofProcess: number;
  /** Of the file's bytes. */
  readonly served: number;
}

export async function benchConnections(archive: BenchArchive): Promise<void> {
  const rows: string[][] = [];
  for (const connections of [1, 2, 4, 8]) {
    const numBytes = connections * BYTES_PER_CONNECTION;
    const server = await startPacedServer(archive, numBytes, LIMIT);
    const tools = [
      aria2(`-x${connections}`, `-s${connections}`),
      millrace('--connections', String(connections), '--md5', archive.md5Of(numBytes)),
    ];
    const shares = new Map<Tool, Shares[]>(tools.map((tool) => [tool, []]));
    try {
      for (let run = 0; run < NUM_RUNS; run++) {
        for (const [tool, past] of shares) {
          const { seconds } = await withFolder(archive.folder, (folder) =>
            measureRun(tool.command(server.url, folder), folder),
          );
          const report = await server.report();
          const atLimit = numBytes / (LIMIT * connections);
          past.push({
            asServed: atLimit / report.seconds,
            ofProcess: atLimit / seconds,
            served: report.numBytesSent / numBytes,
          });
        }
      }
    } finally {
      await server.close();
    }
    rows.push([
      String(connections),
      ...[...shares.values()].flatMap((past) =>
        (['asServed', 'ofProcess', 'served'] as const).map((key) => median(past.map((share) => share[key])).toFixed(3)),
      ),
    ]);
  }
  publish({
    name: 'download-connections',
    title: 'Several connections to a server that limits each',
    notes: [
      `A server that gives a connection ${LIMIT / MIB} MiB/s; ${BYTES_PER_CONNECTION / MIB} MiB for each connection; medians of ${NUM_RUNS} alternating runs.`,
      'Share of limit × connections that was reached: from the first request to the last byte as the server saw it, and over the',
      'whole life of the process; and bytes served, of the size. millrace verifies the MD5 within that time, aria2c does not.',
    ],
    columns: ['connections', 'aria2c', 'its process', 'served', 'millrace', 'its process', 'served'],
    rows,
  });
}
