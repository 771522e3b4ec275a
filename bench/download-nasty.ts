/** Servers at fault: which downloader ends with the right file, which says that it has not, and which says nothing. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { ChildProcess } from 'node:child_process';
import { md5Of, startOddServer } from '../test/fixtures/odd-server.js';
import { FAULTS, NEW_FILE, OLD_FILE, type Fault } from './download-faults.js';
import { exitCodeOf, killGroup, startQuietly, withFolder } from './download-run.js';
import { aria2, curl, FILE, millrace, wget, type Tool } from './download-tools.js';
import { publish } from './report.js';

const MAX_RUNS = 3;
const RUN_TIMEOUT_MS = 120_000;
/** Most of the time is spent in waits of the tools. */
const CELLS_AT_ONCE = 4;
/** Served beyond this share of the file is worth a word. */
const NOTABLE_SHARE = 1.05;

const COLUMNS: readonly { readonly title: string; readonly tool: (md5: string) => Tool }[] = [
  {
    title: 'curl',
    tool: () => curl('-fL', '--retry', '5', '--retry-all-errors', '-C', '-', '--speed-time', '3'),
  },
  { title: 'wget', tool: () => wget('-c', '--tries=6', '--timeout=3', '--retry-on-http-error=429,503') },
  { title: 'aria2c', tool: () => aria2('-c', '-x4', '-s4', '--max-tries=6', '--retry-wait=1') },
  { title: 'millrace', tool: (md5) => millrace('--md5', md5) },
  { title: 'millrace, no MD5', tool: () => millrace() },
];

export async function benchNastyServers(): Promise<void> {
  const cells = FAULTS.flatMap((fault) => COLUMNS.map(({ tool }) => ({ fault, tool, text: '' })));
  const waiting = [...cells];
  const work = async (): Promise<void> => {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const right = cell.fault.isReplaced === true ? NEW_FILE : OLD_FILE;
      cell.text = await judge(cell.fault, cell.tool(md5Of(right)), right);
    }
  };
  await Promise.all(Array.from({ length: CELLS_AT_ONCE }, work));
  publish({
    name: 'download-nasty',
    title: 'Servers at fault',
    notes: [
      `An 8 MiB file; the server is at fault as said, then good; the same command is run until it exits with 0, ${MAX_RUNS} times at most.`,
      'ok: the right file (where it was replaced: the new one, whose MD5 millrace is given). loud: no right file, and no exit code 0.',
      '**BAD 0**: a wrong file, exit code 0. In brackets the exit codes, when there are several (137: killed); n×: bytes served in',
      `all, as a multiple of the file, where above ${NOTABLE_SHARE}. Without an MD5 a file is proved by its length, validators, and overlaps.`,
      'curl -fL --retry 5 --retry-all-errors -C - --speed-time 3; wget -c --tries=6 --timeout=3 --retry-on-http-error=429,503;',
      'aria2c -c -x4 -s4 --max-tries=6 --retry-wait=1; millrace with its defaults.',
    ],
    columns: ['server', ...COLUMNS.map(({ title }) => title)],
    rows: FAULTS.map((fault) => [fault.title, ...cells.filter((cell) => cell.fault === fault).map(({ text }) => text)]),
  });
}

function judge(fault: Fault, tool: Tool, right: Buffer): Promise<string> {
  return withFolder(tmpdir(), async (folder) => {
    let running: ChildProcess[] = [];
    const server = await startOddServer(fault.serve(() => running.forEach(killGroup)));
    const codes: number[] = [];
    let verdict = 'loud';
    try {
      for (let run = 0; run < MAX_RUNS && verdict === 'loud'; run++) {
        const command = tool.command(`${server.url}/${FILE}`, folder);
        const numProcesses = run === 0 ? (fault.numProcesses ?? 1) : 1;
        running = Array.from({ length: numProcesses }, () => startQuietly(command, folder));
        const ends = await Promise.all(running.map((child) => exitCodeOf(child, RUN_TIMEOUT_MS)));
        codes.push(...ends);
        if (ends.includes(0)) verdict = isRight(tool.target(folder), right) ? 'ok' : '**BAD 0**';
      }
    } finally {
      await server.close();
    }
    const share = server.numBytesSent / right.length;
    return [
      verdict,
      ...(codes.length > 1 || codes[0] !== 0 ? [`(${codes.join(',')})`] : []),
      ...(share > NOTABLE_SHARE ? [`${share.toFixed(2)}×`] : []),
    ].join(' ');
  });
}

function isRight(path: string, right: Buffer): boolean {
  try {
    return readFileSync(path).equals(right);
  } catch {
    return false;
  }
}
