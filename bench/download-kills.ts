/** What SIGKILL in the middle costs: bytes fetched twice, and bytes read again for the hash. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { md5OfFile, MIB, type BenchArchive } from './download-archive.js';
import { startPacedServer, type PacedServer } from './download-paced.js';
import { measureRun, startQuietly, withFolder } from './download-run.js';
import { aria2, curl, millrace, wget, type Tool } from './download-tools.js';
import { median, publish } from './report.js';

const NUM_KILLS = 10;
const NUM_BYTES = 256 * MIB;
/** Of all connections together: slow enough for every tool to keep up, so that little lies in the kernel when it dies. */
const BYTES_PER_SECOND = 200 * MIB;

interface Cost {
  readonly fetchedTwice: number;
  readonly readAgain: number;
  readonly isRight: boolean;
}

interface Kills {
  /** Bytes beyond the size that were sent in the run without a kill. */
  readonly surplus: number;
  readonly costs: readonly Cost[];
}

export async function benchKills(archive: BenchArchive): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const connections of [1, 4]) {
    const server = await startPacedServer(archive, NUM_BYTES, BYTES_PER_SECOND / connections);
    const md5 = archive.md5Of(NUM_BYTES);
    const tools =
      connections === 1
        ? [curl('-C', '-'), wget('-c'), aria2('-c', '-x1', '-s1'), millrace('--connections', '1', '--md5', md5)]
        : [aria2('-c', '-x4', '-s4'), millrace('--md5', md5)];
    try {
      for (const tool of tools) {
        const { surplus, costs } = await killEverywhere(tool, server, archive);
        const mib = (bytes: number): string => (bytes / MIB).toFixed(2);
        const twice = costs.map(({ fetchedTwice }) => fetchedTwice);
        const again = costs.map(({ readAgain }) => readAgain);
        rows.push([
          tool.name,
          connections,
          mib(surplus),
          mib(median(twice)),
          mib(Math.max(...twice)),
          ...(tool.name === 'millrace'
            ? [mib(median(again)), mib(Math.max(...again))]
            : Array<string>(2).fill(mib(NUM_BYTES))),
          `${costs.filter(({ isRight }) => isRight).length} of ${costs.length}`,
        ]);
      }
    } finally {
      await server.close();
    }
  }
  publish({
    name: 'download-kills',
    title: 'What a SIGKILL costs',
    notes: [
      `${NUM_BYTES / MIB} MiB at ${BYTES_PER_SECOND / MIB} MiB/s over all connections, killed once, at ${NUM_KILLS} points spread over the transfer, and run again.`,
      'Too much: bytes beyond the size that the server sends in a run without a kill, such as those under way when an answer is broken off.',
      'Fetched twice: bytes that the server sent in both runs together, less the size and less what the killed process had left in',
      'its sockets (too much included). Read again for the hash: of the second run, all that its read calls returned, less its share of',
      'what a run without a kill reads (its program, each byte once off the network and once into the hash); md5sum reads all.',
    ],
    columns: [
      'way',
      'connections',
      'too much without a kill MiB',
      'fetched twice MiB',
      'at most',
      'read again MiB',
      'at most',
      'right files',
    ],
    rows,
  });
}

/** A run without a kill says how long it takes and what it reads; then one kill each. */
async function killEverywhere(tool: Tool, server: PacedServer, archive: BenchArchive): Promise<Kills> {
  const whole = await withFolder(archive.folder, (folder) => measureRun(tool.command(server.url, folder), folder));
  const served = (await server.report()).numBytesSent;
  const overhead = whole.bytesRead - 2 * served;
  const costs: Cost[] = [];
  for (let kill = 0; kill < NUM_KILLS; kill++) {
    costs.push(
      await withFolder(archive.folder, async (folder) => {
        const command = tool.command(server.url, folder);
        const child = startQuietly(command, folder);
        const exited = once(child, 'exit');
        await sleep(((kill + 0.5) / NUM_KILLS) * whole.seconds * 1000);
        // Both ends are held still for the look at what lies between them.
        child.kill('SIGSTOP');
        const { numBytesSent } = await server.hold();
        const before = numBytesSent - bytesInKernel(Number(new URL(server.url).port));
        child.kill('SIGKILL');
        await exited;
        server.goOn();
        await server.report();
        const { bytesRead } = await measureRun(command, folder);
        const after = (await server.report()).numBytesSent;
        return {
          fetchedTwice: before + after - NUM_BYTES,
          readAgain: bytesRead - overhead - 2 * after,
          isRight: (await md5OfFile(tool.target(folder))) === archive.md5Of(NUM_BYTES),
        };
      }),
    );
  }
  return { surplus: served - NUM_BYTES, costs };
}

/** Bytes that a server at `port` has sent and its clients have not read, by the queues of the sockets. */
function bytesInKernel(port: number): number {
  const lines = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1);
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return lines.reduce((sum, line) => {
    const [, local, remote, , queues] = line.trim().split(/\s+/);
    const [toSend, toRead] = queues.split(':').map((hex) => Number.parseInt(hex, 16));
    return sum + (local.endsWith(end) ? toSend : 0) + (remote.endsWith(end) ? toRead : 0);
  }, 0);
}
