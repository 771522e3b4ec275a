import assert from 'node:assert/strict';
import { cpSync, readdirSync, statfsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../lib/core/errors.js';
import { archivesFolder, datasetsFolder } from '../../lib/platform/root-layout.js';
import { prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { runCommand } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { digestTree, makeTinyDataset, tinyJpeg, tinySettings } from '../fixtures/tiny-dataset.js';
import { withTmpfs } from '../fixtures/tmpfs.js';

describe('preparing on disks that misbehave', () => {
  const folder = temporaryFolder();
  const whole = (): string => join(folder.path, 'whole');
  const settingsAt = (root: string): PrepareSettings => ({ ...tinySettings(root), splits: ['val'], numWorkers: 1 });

  before(async () => {
    await makeTinyDataset(whole());
    await prepareDataset(settingsAt(whole()), false);
  });

  it('says that the disk is full whatever there is no room for, leaves nothing half-made, and goes on when there is', async function () {
    const expected = await digestTree(datasetsFolder(whole()));
    let numFailures = 0;
    // Room for so much more than the archives.
    for (let roomKilobytes = 0; roomKilobytes <= 80; roomKilobytes += 16) {
      const root = join(folder.path, `full-${roomKilobytes}`);
      const isRun = await withTmpfs(root, 'size=64m', async (remount) => {
        cpSync(archivesFolder(whole()), archivesFolder(root), { recursive: true, preserveTimestamps: true });
        const { blocks, bfree, bsize } = statfsSync(root);
        remount(`size=${((blocks - bfree) * bsize) / 1024 + roomKilobytes}k`);
        await prepareDataset(settingsAt(root), false).catch((error: unknown) => {
          numFailures++;
          assert.equal(codeOf(error), 'ERR_DISK', String(error));
          assert.match(String(error), /the disk is full/);
          const left = readdirSync(root, { recursive: true }) as string[];
          assert.deepEqual(
            left.filter((name) => /\.tmp$|manifest\.json$|\.lock$/.test(name)),
            [],
          );
        });
        remount('size=64m');
        await prepareDataset(settingsAt(root), false);
        assert.deepEqual(await digestTree(datasetsFolder(root)), expected);
      });
      if (!isRun) this.skip();
    }
    assert.ok(numFailures >= 3, `${numFailures} failures`);
  });

  for (const backend of ['lmdb', 'leveldb']) {
    it(`says that the disk is full of convert-imageset --backend=${backend}, and leaves no database`, async function () {
      const root = join(folder.path, backend);
      const images = join(folder.path, 'images');
      await mkdir(images, { recursive: true });
      await writeFile(join(images, 'a.jpg'), await tinyJpeg(1));
      await writeFile(join(folder.path, 'list.txt'), 'a.jpg 1\n'.repeat(20));
      const isRun = await withTmpfs(root, 'size=1m', async () => {
        const size = ['--resize_width=200', '--resize_height=200'];
        const args = [`--backend=${backend}`, ...size, `${images}/`, join(folder.path, 'list.txt'), join(root, 'db')];
        const { code, stderr } = await runCommand('convert-imageset', args);
        assert.equal(code, 1, stderr);
        assert.match(stderr, /cannot write .*db: the disk is full/);
        assert.doesNotMatch(stderr, / {4}at |bug/);
        assert.deepEqual(readdirSync(root), []);
      });
      if (!isRun) this.skip();
    });
  }

  it('says that a file system is read-only when the folders of a split have to be made', async function () {
    const root = join(folder.path, 'read-only');
    const isRun = await withTmpfs(root, 'size=8m', async (remount) => {
      remount('ro');
      await assert.rejects(prepareDataset(settingsAt(root), false), { code: 'ERR_DISK', message: /read-only/ });
    });
    if (!isRun) this.skip();
  });
});
