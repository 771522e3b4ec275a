import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { archivePath } from '../../lib/platform/root-layout.js';
import { archiveOf, downloadOne } from '../fixtures/download-run.js';
import { drip } from '../fixtures/drip.js';
import { md5Of, noise, startOddServer, type OddServer } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/download-process.js', import.meta.url));
const BODY = noise(3_000_000);
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };

describe('several processes that download one archive', () => {
  const folder = temporaryFolder();
  let server: OddServer;
  /** What the first requests wait for. */
  let isHeld = false;
  const held: (() => void)[] = [];
  before(async () => {
    server = await startOddServer(async (exchange) => {
      if (isHeld) await new Promise<void>((resolve) => held.push(resolve));
      await drip(exchange, BODY);
    });
  });
  after(() => server.close());

  const isOneHeld = async (): Promise<void> => {
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  };
  const letGo = (): void => {
    isHeld = false;
    for (const go of held.splice(0)) go();
  };

  for (const count of [2, 5]) {
    it(`of ${count} one fetches it, and the others say that they were late`, async () => {
      const root = join(folder.path, `late-${count}`);
      isHeld = true;
      const children = Array.from({ length: count }, () => {
        const args = [PROGRAM, root, 'images.bin', `${server.url}/a`, EXPECTED.md5, '65536'];
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
        const output: Buffer[] = [];
        child.stderr.on('data', (chunk: Buffer) => output.push(chunk));
        return { exited: once(child, 'close'), output, child };
      });
      await isOneHeld();
      // The one that is held ends last.
      const late = children.map(({ exited }) => exited);
      for (let numEnded = 0; numEnded < count - 1; numEnded++) {
        const index = await Promise.race(late.map((exited, at) => exited.then(() => at)));
        void late.splice(index, 1);
      }
      letGo();
      await Promise.all(children.map(({ exited }) => exited));
      assert.equal(children.filter(({ child }) => child.exitCode === 0).length, 1);
      for (const { child, output } of children) {
        if (child.exitCode !== 0) assert.match(Buffer.concat(output).toString(), /ERR_LOCKED/);
      }
      assert.equal(md5Of(readFileSync(archivePath(root, 'images.bin'))), EXPECTED.md5);
    });
  }

  it('never mix their bytes where locks do not work: the last one to come goes on with what is there', async () => {
    const root = join(folder.path, 'lockless');
    const archive = archiveOf('images.bin', [`${server.url}/a`], EXPECTED);
    isHeld = true;
    const first = downloadOne(root, archive);
    const outcome = first.then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );
    await isOneHeld();
    rmSync(`${archivePath(root, 'images.bin')}.lock`);
    isHeld = false;
    const second = downloadOne(root, archive);
    await second;
    letGo();
    assert.equal(await outcome, 'ERR_LOCKED');
    assert.equal(md5Of(readFileSync(archivePath(root, 'images.bin'))), EXPECTED.md5);
  });
});
