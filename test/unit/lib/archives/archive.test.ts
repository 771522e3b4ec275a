import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openArchive } from '../../../../lib/archives/archive.js';
import { readText } from '../../../../lib/archives/text-member.js';
import { makeTar } from '../../../fixtures/tar-files.js';

describe('openArchive', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('scans once: the second time the index file tells', async () => {
    const path = join(folder, 'a.tar');
    const tar = await makeTar([{ name: 'one', content: '1' }]);
    writeFileSync(path, tar);
    const mtime = new Date('2020-01-01');
    utimesSync(path, mtime, mtime);
    const first = await openArchive(path, 'tar');
    assert.equal(first.md5, createHash('md5').update(tar).digest('hex'));
    assert.equal(first.bytes, tar.length);

    writeFileSync(path, Buffer.alloc(tar.length, 1));
    utimesSync(path, mtime, mtime);
    const second = await openArchive(path, 'tar');
    assert.equal(second.index.find('one'), 0);
    assert.equal(second.md5, first.md5);
  });

  it('scans again when the archive, the layout or the index file is another', async () => {
    const path = join(folder, 'a.tar');
    writeFileSync(path, await makeTar([{ name: 'one', content: '1' }]));
    await openArchive(path, 'tar');
    const inner = await makeTar([{ name: 'x', content: 'x' }]);
    writeFileSync(path, await makeTar([{ name: 'two.tar', content: inner }]));
    assert.equal((await openArchive(path, 'tar')).index.name(0), 'two.tar');
    assert.equal((await openArchive(path, 'tar-of-tars')).index.name(0), 'two/x');
    truncateSync(`${path}.index`, statSync(`${path}.index`).size - 1);
    assert.equal((await openArchive(path, 'tar-of-tars')).index.name(0), 'two/x');
  });

  it('unpacks a gzipped tar once, beside it', async () => {
    const path = join(folder, 'a.tgz');
    const tar = await makeTar([{ name: 'one', content: 'content' }]);
    const packed = gzipSync(tar);
    writeFileSync(path, packed);
    const archive = await openArchive(path, 'tar');
    assert.equal(archive.tarPath, `${path}.tar`);
    assert.deepEqual(readFileSync(archive.tarPath), tar);
    assert.equal(archive.md5, createHash('md5').update(packed).digest('hex'));
    assert.equal(archive.index.name(0), 'one');

    rmSync(archive.tarPath);
    await openArchive(path, 'tar');
    assert.ok(existsSync(archive.tarPath));
  });

  it('refuses a gzip that is cut short and leaves nothing of it behind', async () => {
    const path = join(folder, 'a.tar.gz');
    writeFileSync(path, gzipSync(await makeTar([{ name: 'one', content: 'x'.repeat(10_000) }])).subarray(0, 60));
    await assert.rejects(openArchive(path, 'tar'), { code: 'ERR_ARCHIVE_CORRUPT', message: /a\.tar\.gz/ });
    assert.deepEqual(readdirSync(folder), ['a.tar.gz']);
  });
});

describe('readText', () => {
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-text-'));
    const tar = await makeTar([
      { name: './train.txt', content: 'a 0\n' },
      { name: 'big.bin', content: Buffer.alloc(3 << 20, 7) },
      { name: 'val.txt', content: 'b 1\n' },
    ]);
    writeFileSync(join(folder, 'aux.tar'), tar);
    writeFileSync(join(folder, 'aux.tar.gz'), gzipSync(tar));
    writeFileSync(join(folder, 'cut.tar.gz'), gzipSync(tar).subarray(0, 1000));
    writeFileSync(join(folder, 'plain.txt'), 'plain');
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const file of ['aux.tar', 'aux.tar.gz']) {
    it(`reads members of ${file}, first and last`, async () => {
      assert.equal(await readText(join(folder, file), 'train.txt'), 'a 0\n');
      assert.equal(await readText(join(folder, file), 'val.txt'), 'b 1\n');
    });
    it(`says that ${file} has no such member`, async () => {
      await assert.rejects(readText(join(folder, file), 'test.txt'), { code: 'ERR_NOT_FOUND', message: /test\.txt/ });
    });
  }

  it('reads a plain file', async () => {
    assert.equal(await readText(join(folder, 'plain.txt')), 'plain');
  });

  it('refuses an archive that is cut short', async () => {
    await assert.rejects(readText(join(folder, 'cut.tar.gz'), 'val.txt'), { code: 'ERR_ARCHIVE_CORRUPT' });
  });

  it('passes on that there is no such file', async () => {
    await assert.rejects(readText(join(folder, 'nothing.tar.gz'), 'val.txt'), { code: 'ENOENT' });
  });
});
