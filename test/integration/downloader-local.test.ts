import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { archivePath, archivesFolder } from '../../lib/platform/root-layout.js';
import { downloadRoot } from '../fixtures/download-root.js';
import { archiveOf, downloadOne } from '../fixtures/download-run.js';
import { md5Of, noise, send } from '../fixtures/odd-server.js';
import { oddServers } from '../fixtures/odd-servers.js';

const BODY = noise(3_000_000);
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };

describe('archives that are on a local disk', () => {
  const root = downloadRoot();
  const { serve } = oddServers();

  const placed = (): Buffer => root.placed('images.tar');
  const place = (content: Buffer): void => root.place('images.tar', content);

  it('takes in an archive that was placed by hand, once it is verified', async () => {
    place(BODY);
    const archive = archiveOf('images.tar', [], EXPECTED);
    assert.deepEqual((await downloadOne(root.path, archive)).names, ['verified']);
    assert.deepEqual((await downloadOne(root.path, archive)).names, []);
  });

  it('checks again when the archive was changed after it had been verified', async () => {
    place(BODY);
    const archive = archiveOf('images.tar', [], EXPECTED);
    await downloadOne(root.path, archive);
    const altered = Buffer.from(BODY);
    altered[5] ^= 1;
    place(altered);
    await assert.rejects(downloadOne(root.path, archive), { code: 'ERR_VERIFICATION' });
    assert.deepEqual(readFileSync(`${archivePath(root.path, 'images.tar')}.corrupt-1`), altered);
    assert.equal(existsSync(archivePath(root.path, 'images.tar')), false);
  });

  it('checks again when a digest is asked for that was not made then', async () => {
    place(BODY);
    await downloadOne(root.path, archiveOf('images.tar', [], EXPECTED));
    const strict = archiveOf('images.tar', [], { ...EXPECTED, sha256: '0'.repeat(64) });
    await assert.rejects(downloadOne(root.path, strict), {
      code: 'ERR_VERIFICATION',
      message: /expected SHA-256 0{64}/,
    });
  });

  it('says where to place an archive that has no source', async () => {
    await assert.rejects(downloadOne(root.path, archiveOf('images.tar', [])), (error: Error & { code: string }) => {
      assert.equal(error.code, 'ERR_NOT_FOUND');
      assert.ok(error.message.includes(archivePath(root.path, 'images.tar')), error.message);
      return true;
    });
  });

  it('links a local file rather than copying it', async () => {
    const source = join(root.folder, 'local.tar');
    writeFileSync(source, BODY);
    const summary = await downloadOne(root.path, archiveOf('images.tar', [pathToFileURL(source).href], EXPECTED));
    assert.equal(summary.isVerified, true);
    assert.equal(statSync(archivePath(root.path, 'images.tar')).ino, statSync(source).ino);
  });

  it('looks at the length of a file before it reads it', async () => {
    place(BODY.subarray(1));
    const archive = archiveOf('images.tar', [], EXPECTED);
    await assert.rejects(downloadOne(root.path, archive), (error: Error & { context: Record<string, unknown> }) => {
      assert.deepEqual([error.context['foundBytes'], error.context['foundMd5']], [BODY.length - 1, null]);
      return true;
    });
    const source = join(root.folder, 'short.tar');
    writeFileSync(source, BODY.subarray(1));
    const local = archiveOf('images.tar', [pathToFileURL(source).href], EXPECTED);
    await assert.rejects(downloadOne(root.path, local), {
      code: 'ERR_VERIFICATION',
      message: /expected 3000000 bytes, found 2999999 in/,
    });
  });

  it('takes in a local file that another one has no link to, by copying it', async function () {
    const disk = join(root.folder, 'other-disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      this.skip();
    }
    try {
      writeFileSync(join(disk, 'local.tar'), BODY);
      const url = pathToFileURL(join(disk, 'local.tar')).href;
      await downloadOne(root.path, archiveOf('images.tar', [url], EXPECTED));
      assert.deepEqual(placed(), BODY);
    } finally {
      execFileSync('umount', [disk]);
    }
  });

  it('sweeps up what killed processes left of this archive, and nothing else', async () => {
    place(BODY);
    const left = ['.images.tar.part.json.123.0123abcd.tmp', '.images.tar.123.0123abcd.tmp'];
    const others = ['.other.tar.123.0123abcd.tmp', '.images.tar.lock.123.0123abcd.tmp', '.images.tar.notes'];
    for (const name of [...left, ...others]) writeFileSync(join(archivesFolder(root.path), name), '');
    await downloadOne(root.path, archiveOf('images.tar', [], EXPECTED));
    const names = readdirSync(archivesFolder(root.path));
    assert.deepEqual(
      [left, others].map((some) => some.filter((name) => names.includes(name))),
      [[], others],
    );
  });

  it('leaves a wrong local file as it is, and takes the next source', async () => {
    const source = join(root.folder, 'wrong.tar');
    writeFileSync(source, 'wrong');
    const server = await serve((exchange) => send(exchange, BODY));
    const urls = [pathToFileURL(source).href, `${server.url}/a`];
    const summary = await downloadOne(root.path, archiveOf('images.tar', urls, EXPECTED));
    assert.deepEqual(summary.names, ['source-failed', 'verified']);
    assert.equal(readFileSync(source, 'utf8'), 'wrong');
  });
});
