/** Time to a verified file, against the other tools with md5sum after them. */
import { spawnSync } from 'node:child_process';
import { MIB, type BenchArchive } from './download-archive.js';
import { startNginx } from './download-nginx.js';
import { startPacedServer } from './download-paced.js';
import { measureRun, withFolder, type Usage } from './download-run.js';
import { aria2, curl, curlWithMd5, millrace, wget, type Tool } from './download-tools.js';
import { median, publish } from './report.js';

const NUM_RUNS = 5;
const NUM_BYTES = 1024 * MIB;

interface Run {
  readonly tool: Usage;
  /** md5sum of the file afterwards; undefined for those that make the digest as they go. */
  readonly check: Usage | undefined;
}

export async function benchRates(archive: BenchArchive): Promise<void> {
  const nginx = await startNginx(archive);
  const server = nginx ?? (await startPacedServer(archive, NUM_BYTES, 0));
  const peers = [curl(), wget(), aria2('-x4', '-s4')];
  const tools = [...peers, curlWithMd5(), millrace('--md5', archive.md5Of(NUM_BYTES))];
  const runs = new Map<Tool, Run[]>(tools.map((tool) => [tool, []]));
  try {
    for (let run = 0; run < NUM_RUNS; run++) {
      for (const [tool, past] of runs) {
        // What an earlier run left to be written is not this one's to pay for.
        spawnSync('sync');
        past.push(await fetchOnce(tool, server.url, archive, peers.includes(tool)));
      }
    }
  } finally {
    await server.close();
  }
  const alone = (tool: Tool): number => median((runs.get(tool) ?? []).map((run) => run.tool.seconds));
  const verified = (tool: Tool): number => median((runs.get(tool) ?? []).map(sum('seconds')));
  const fastest = (of: typeof alone): number => Math.min(...peers.map(of));
  const checks = [...runs.values()].flat().flatMap(({ check }) => check ?? []);
  const md5Seconds = median(checks.map(({ seconds }) => seconds));
  const rateOf = (seconds: number): string => (NUM_BYTES / 1e6 / seconds).toFixed(0);
  publish({
    name: 'download',
    title: 'Time to a verified file',
    notes: [
      `1 GiB from ${nginx === undefined ? 'a node server (nginx is missing)' : 'nginx'} over loopback into ${archive.folder.replace(/\/[^/]*$/, '')}, medians of ${NUM_RUNS} alternating runs of whole processes.`,
      'curl, wget and aria2c are followed by md5sum; millrace is given the MD5, checks it as the bytes come, and flushes the file to',
      'the disk, which the others do not. CPU is user + system of all of it, memory the largest resident set.',
      `MD5 is a chain: one stream of it takes one core, here ${rateOf(md5Seconds)} MB/s (md5sum of the file in the cache). Nobody who verifies is done`,
      `sooner; 0.9 × the rate of the fastest tool alone would take an MD5 of ${rateOf(fastest(alone) / 0.9)} MB/s. curl | tee | md5sum is what verifying on the`,
      'way costs at least where fetching, writing, hashing and the server share the cores.',
    ],
    columns: ['way', 'alone s', 'MB/s', 'of the fastest', 'verified s', 'of the fastest', 'CPU s', 'peak MB'],
    rows: [
      ...tools.map((tool) => [
        `${tool.name}${peers.includes(tool) ? ' + md5sum' : ''}`,
        alone(tool).toFixed(2),
        rateOf(alone(tool)),
        (fastest(alone) / alone(tool)).toFixed(2),
        verified(tool).toFixed(2),
        (verified(tool) / fastest(verified)).toFixed(2),
        median((runs.get(tool) ?? []).map(sum('cpuSeconds'))).toFixed(2),
        (median((runs.get(tool) ?? []).map((run) => run.tool.peakBytes)) / 1e6).toFixed(0),
      ]),
      [
        ...['md5sum of what is there', '', '', '', md5Seconds.toFixed(2), (md5Seconds / fastest(verified)).toFixed(2)],
        median(checks.map(({ cpuSeconds }) => cpuSeconds)).toFixed(2),
        (median(checks.map(({ peakBytes }) => peakBytes)) / 1e6).toFixed(0),
      ],
    ],
  });
}

const sum =
  (what: 'seconds' | 'cpuSeconds') =>
  ({ tool, check }: Run): number =>
    tool[what] + (check?.[what] ?? 0);

function fetchOnce(tool: Tool, url: string, archive: BenchArchive, isChecked: boolean): Promise<Run> {
  return withFolder(archive.folder, async (folder) => ({
    tool: await measureRun(tool.command(url, folder), folder),
    check: isChecked ? await measureRun(['md5sum', tool.target(folder)], folder) : undefined,
  }));
}
