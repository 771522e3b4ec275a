import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { archivePath } from '../../lib/platform/root-layout.js';
import { ByteRanges } from '../../services/downloader/byte-ranges.js';
import { readJournal } from '../../services/downloader/journal.js';
import { archiveOf, downloadOne, SEGMENTED } from '../fixtures/download-run.js';
import { drip, rangeOf, writeRangeHead } from '../fixtures/drip.js';
import { md5Of, noise, startOddServer, type OddServer } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/download-process.js', import.meta.url));
const BODY = noise(24_000_000);
const MD5 = md5Of(BODY);
/** Never within this test: what counts is what was written. */
const CHECKPOINT_BYTES = 1 << 30;
/** Bytes that may be received and not written when a process dies: what is gathered for one write, and what waits for it. */
const MAX_LOST_BYTES = 1 << 20;

/** How far the part at `partPath` is good from its first byte on. */
async function offsetOf(partPath: string): Promise<number> {
  return new ByteRanges((await readJournal(partPath))?.ranges).prefixEnd;
}

describe('downloading, when the process is killed', () => {
  const folder = temporaryFolder();
  let server: OddServer | undefined;
  afterEach(() => server?.close());

  function start(root: string, connections = 1): { child: ChildProcess; exited: Promise<unknown> } {
    const args = [PROGRAM, root, 'images.bin', `${server?.url ?? ''}/a`, MD5, String(CHECKPOINT_BYTES)].concat(
      String(connections),
    );
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    return { child, exited: once(child, 'exit') };
  }

  const NUM_KILLS = 50;

  for (const connections of [1, 4]) {
    it(`ends with the right bytes after ${NUM_KILLS / 2} kills anywhere, over ${connections} connections`, async () => {
      const root = join(folder.path, `anywhere-${connections}`);
      const target = archivePath(root, 'images.bin');
      let child: ChildProcess | undefined;
      let sentInRun = 0;
      let killAfter = 0;
      // Sends on while the kill goes out, so that it strikes wherever the child is: hashing, writing, flushing, renaming.
      server = await startOddServer((exchange) =>
        drip(exchange, BODY, {
          sliceBytes: 1 << 16,
          onSlice: () => {
            sentInRun += 1 << 16;
            if (sentInRun > killAfter) child?.kill('SIGKILL');
          },
        }),
      );
      let numKilled = 0;
      let there = 0;
      for (let kill = 0; kill < NUM_KILLS / 2 && !existsSync(target); kill++) {
        // Mostly soon after it has begun, so that there is something left to kill, and never at the same place twice.
        killAfter = ((kill * 7_919) % 1_900_000) + (kill % 5 === 0 ? 0 : 1);
        sentInRun = 0;
        const run = start(root, connections);
        child = run.child;
        await run.exited;
        if (run.child.signalCode === 'SIGKILL') numKilled++;
        const now = new ByteRanges((await readJournal(`${target}.part`))?.ranges).numBytes;
        assert.ok(now >= there, `has ${now} bytes after it had ${there}`);
        there = now;
      }
      assert.ok(numKilled >= 20, `killed ${numKilled} times`);

      child = undefined;
      const archive = archiveOf('images.bin', [`${server.url}/a`], { md5: MD5 });
      const { bytesFetched } = await downloadOne(root, archive, { transfer: { ...SEGMENTED, connections } });
      assert.equal(md5Of(readFileSync(target)), MD5);
      assert.equal(bytesFetched, BODY.length - there);
    });
  }

  it('fetches again no more than was not written, flushed or not', async () => {
    const root = join(folder.path, 'bounded');
    const partPath = `${archivePath(root, 'images.bin')}.part`;
    let until = 0;
    server = await startOddServer((exchange) => {
      const [begin] = rangeOf(exchange, BODY.length);
      writeRangeHead(exchange, BODY.length);
      // And then nothing more: what the child has taken in by now is all that there is.
      if (until < BODY.length) exchange.response.write(BODY.subarray(begin, until));
      else exchange.response.end(BODY.subarray(begin));
    });
    // Further apart than what may be lost, so that each run has to bring the journal on.
    for (until of [5_000_000, 11_000_000, 14_000_000, BODY.length - 1]) {
      const { child, exited } = start(root);
      while ((await offsetOf(partPath)) < until - MAX_LOST_BYTES) {
        assert.equal(child.exitCode, null, 'the download ended before it was killed');
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.kill('SIGKILL');
      await exited;
      assert.ok(statSync(partPath).size >= (await offsetOf(partPath)));
    }
    until = BODY.length;
    const offset = await offsetOf(partPath);
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
