import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { archivePath, archivesFolder } from '../../lib/platform/root-layout.js';
import { archiveOf, downloadOne } from '../fixtures/download-run.js';
import { md5Of, noise, send } from '../fixtures/odd-server.js';
import { oddServers } from '../fixtures/odd-servers.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const BODY = noise(3_000_000);
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };

describe('archives that are on a local disk', () => {
  const folder = temporaryFolder();
  const { serve } = oddServers();
  let root: string;
  let numRoots = 0;

  beforeEach(() => {
    root = join(folder.path, `root-${numRoots++}`);
  });

  const placed = (): Buffer => readFileSync(archivePath(root, 'images.tar'));
  const place = async (content: Buffer): Promise<void> => {
    await mkdir(archivesFolder(root), { recursive: true });
    writeFileSync(archivePath(root, 'images.tar'), content);
  };

  it('takes in an archive that was placed by hand, once it is verified', async () => {
    await place(BODY);
    const archive = archiveOf('images.tar', [], EXPECTED);
    assert.deepEqual((await downloadOne(root, archive)).names, ['verified']);
    assert.deepEqual((await downloadOne(root, archive)).names, []);
  });

  it('checks again when the archive was changed after it had been verified', async () => {
    await place(BODY);
    const archive = archiveOf('images.tar', [], EXPECTED);
    await downloadOne(root, archive);
    const altered = Buffer.from(BODY);
    altered[5] ^= 1;
    await place(altered);
    await assert.rejects(downloadOne(root, archive), { code: 'ERR_VERIFICATION' });
    assert.deepEqual(readFileSync(`${archivePath(root, 'images.tar')}.corrupt-1`), altered);
    assert.equal(existsSync(archivePath(root, 'images.tar')), false);
  });

  it('says where to place an archive that has no source', async () => {
    await assert.rejects(downloadOne(root, archiveOf('images.tar', [])), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_NOT_FOUND');
      assert.ok(error.message.includes(archivePath(root, 'images.tar')), error.message);
      return true;
    });
  });

  it('links a local file rather than copying it', async () => {
    const source = join(folder.path, 'local.tar');
    writeFileSync(source, BODY);
    const summary = await downloadOne(root, archiveOf('images.tar', [pathToFileURL(source).href], EXPECTED));
    assert.equal(summary.isVerified, true);
    assert.equal(statSync(archivePath(root, 'images.tar')).ino, statSync(source).ino);
  });

  it('looks at the length of a file before it reads it', async () => {
    await place(BODY.subarray(1));
    const archive = archiveOf('images.tar', [], EXPECTED);
    await assert.rejects(downloadOne(root, archive), (error: Error & { context: Record<string, unknown> }) => {
      assert.deepEqual([error.context['foundBytes'], error.context['foundMd5']], [BODY.length - 1, null]);
      return true;
    });
    const source = join(folder.path, 'short.tar');
    writeFileSync(source, BODY.subarray(1));
    const local = archiveOf('images.tar', [pathToFileURL(source).href], EXPECTED);
    await assert.rejects(downloadOne(root, local), {
      code: 'ERR_VERIFICATION',
      message: /expected 3000000 bytes, found 2999999 in/,
    });
  });

  it('takes in a local file that another one has no link to, by copying it', async function () {
    const disk = join(folder.path, 'other-disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      this.skip();
    }
    try {
      writeFileSync(join(disk, 'local.tar'), BODY);
      const url = pathToFileURL(join(disk, 'local.tar')).href;
      await downloadOne(root, archiveOf('images.tar', [url], EXPECTED));
      assert.deepEqual(placed(), BODY);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('sweeps up what killed processes left of this archive, and nothing else', async () => {
    await place(BODY);
    const left = ['.images.tar.part.json.123.0123abcd.tmp', '.images.tar.123.0123abcd.tmp'];
    const others = ['.other.tar.123.0123abcd.tmp', '.images.tar.lock.123.0123abcd.tmp', '.images.tar.notes'];
    for (const name of [...left, ...others]) writeFileSync(join(archivesFolder(root), name), '');
    await downloadOne(root, archiveOf('images.tar', [], EXPECTED));
    const names = readdirSync(archivesFolder(root));
    assert.deepEqual(
      [left, others].map((some) => some.filter((name) => names.includes(name))),
      [[], others],
    );
  });

  it('leaves a wrong local file as it is, and takes the next source', async () => {
    const source = join(folder.path, 'wrong.tar');
    writeFileSync(source, 'wrong');
    const server = await serve((exchange) => send(exchange, BODY));
    const urls = [pathToFileURL(source).href, `${server.url}/a`];
    const summary = await downloadOne(root, archiveOf('images.tar', urls, EXPECTED));
    assert.deepEqual(summary.names, ['source-failed', 'verified']);
    assert.equal(readFileSync(source, 'utf8'), 'wrong');
  });
});
