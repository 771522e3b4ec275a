import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { archivePath } from '../../lib/platform/root-layout.js';
import { readJournal } from '../../services/downloader/journal.js';
import { archiveOf, downloadOne } from '../fixtures/download-run.js';
import { md5Of, noise, startOddServer, type Handler, type OddServer } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/download-process.js', import.meta.url));
const BODY = noise(24_000_000);
const MD5 = md5Of(BODY);
const CHECKPOINT_BYTES = 1 << 20;
/** Bytes that may be received and not flushed when a process dies: up to a checkpoint, and what waits to be written. */
const MAX_LOST_BYTES = CHECKPOINT_BYTES + (1 << 20);

const SLICE_BYTES = 1 << 16;

function beginOf({ request }: Parameters<Handler>[0]): number {
  return Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
}

function writeHead(response: ServerResponse, begin: number): void {
  response.writeHead(begin > 0 ? 206 : 200, {
    'content-length': BODY.length - begin,
    ...(begin > 0 && { 'content-range': `bytes ${begin}-${BODY.length - 1}/${BODY.length}` }),
    etag: '"v1"',
  });
}

describe('downloading, when the process is killed', () => {
  const folder = temporaryFolder();
  let server: OddServer | undefined;
  afterEach(() => server?.close());

  function start(root: string): { child: ChildProcess; exited: Promise<unknown> } {
    const args = [PROGRAM, root, 'images.bin', `${server?.url ?? ''}/a`, MD5, String(CHECKPOINT_BYTES)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    return { child, exited: once(child, 'exit') };
  }

  it('ends with the right bytes after kills anywhere, going on exactly where its journal says', async () => {
    const root = join(folder.path, 'anywhere');
    const partPath = `${archivePath(root, 'images.bin')}.part`;
    let child: ChildProcess | undefined;
    let killAfter = 0;
    // Sends on while the kill goes out, so that it strikes wherever the child is: hashing, writing, flushing, renaming.
    const handler: Handler = async (exchange) => {
      const begin = beginOf(exchange);
      const { response } = exchange;
      writeHead(response, begin);
      for (let at = begin; at < BODY.length; at += SLICE_BYTES) {
        if (at + SLICE_BYTES > killAfter) child?.kill('SIGKILL');
        await new Promise<void>((resolve) => response.write(BODY.subarray(at, at + SLICE_BYTES), () => resolve()));
      }
      response.end();
    };
    server = await startOddServer(handler);

    let numKilled = 0;
    for (const share of [0, 0.02, 0.11, 0.3, 0.31, 0.47, 0.55, 0.72, 0.9, 0.99, 1]) {
      killAfter = share * BODY.length;
      const run = start(root);
      child = run.child;
      await run.exited;
      if (run.child.signalCode === 'SIGKILL') numKilled++;
      if (existsSync(archivePath(root, 'images.bin'))) break;
    }
    assert.ok(numKilled >= 9, `killed ${numKilled} times`);

    child = undefined;
    const journal = await readJournal(partPath);
    const { resumedAt } = await downloadOne(root, archiveOf('images.bin', [`${server.url}/a`], { md5: MD5 }));
    assert.equal(md5Of(readFileSync(archivePath(root, 'images.bin'))), MD5);
    const offset = journal?.offset ?? 0;
    assert.deepEqual(resumedAt, offset > 0 && offset < BODY.length ? [offset] : []);
  });

  it('fetches again no more than was not flushed', async () => {
    const root = join(folder.path, 'bounded');
    const partPath = `${archivePath(root, 'images.bin')}.part`;
    let until = 0;
    server = await startOddServer((exchange) => {
      const begin = beginOf(exchange);
      writeHead(exchange.response, begin);
      // And then nothing more: what the child has taken in by now is all that there is.
      if (until < BODY.length) exchange.response.write(BODY.subarray(begin, until));
      else exchange.response.end(BODY.subarray(begin));
    });
    // Further apart than what may be lost, so that each run has to bring the journal on.
    for (until of [5_000_000, 11_000_000, 14_000_000, BODY.length - 1]) {
      const { child, exited } = start(root);
      while (((await readJournal(partPath))?.offset ?? 0) < until - MAX_LOST_BYTES) {
        assert.equal(child.exitCode, null, 'the download ended before it was killed');
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.kill('SIGKILL');
      await exited;
      const { offset } = (await readJournal(partPath))!;
      assert.ok(statSync(partPath).size >= offset);
    }
    until = BODY.length;
    const { offset } = (await readJournal(partPath))!;
    const { resumedAt, bytesFetched } = await downloadOne(
      root,
      archiveOf('images.bin', [`${server.url}/a`], { md5: MD5 }),
    );
    assert.deepEqual(resumedAt, [offset]);
    assert.equal(bytesFetched, BODY.length - offset);
    assert.ok(bytesFetched <= MAX_LOST_BYTES + 1);
    assert.equal(md5Of(readFileSync(archivePath(root, 'images.bin'))), MD5);
  });
});
