import assert from 'node:assert/strict';
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
import { makeZip } from '../../../fixtures/zip-files.js';

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
    const first = await openArchive(path, 'flat');
    assert.equal(first.index.find('one'), 0);

    writeFileSync(path, Buffer.alloc(tar.length, 1));
    utimesSync(path, mtime, mtime);
    const second = await openArchive(path, 'flat');
    assert.equal(second.index.find('one'), 0);
  });

  it('scans again when the archive, the layout or the index file is another', async () => {
    const path = join(folder, 'a.tar');
    writeFileSync(path, await makeTar([{ name: 'one', content: '1' }]));
    await openArchive(path, 'flat');
    const inner = await makeTar([{ name: 'x', content: 'x' }]);
    writeFileSync(path, await makeTar([{ name: 'two.tar', content: inner }]));
    assert.equal((await openArchive(path, 'flat')).index.name(0), 'two.tar');
    assert.equal((await openArchive(path, 'nested')).index.name(0), 'two/x');
    truncateSync(`${path}.index`, statSync(`${path}.index`).size - 1);
    assert.equal((await openArchive(path, 'nested')).index.name(0), 'two/x');
  });

  it('unpacks a gzipped tar once, beside it', async () => {
    const path = join(folder, 'a.tgz');
    const tar = await makeTar([{ name: 'one', content: 'content' }]);
    const packed = gzipSync(tar);
    writeFileSync(path, packed);
    const archive = await openArchive(path, 'flat');
    assert.equal(archive.membersPath, `${path}.tar`);
    assert.deepEqual(readFileSync(archive.membersPath), tar);
    assert.equal(archive.index.name(0), 'one');

    rmSync(archive.membersPath);
    await openArchive(path, 'flat');
    assert.ok(existsSync(archive.membersPath));
  });

  it('reads a zip in place, whatever the layout', async () => {
    const path = join(folder, 'a.zip');
    await makeZip(path, { members: [{ name: 'one/x', content: 'content', method: 'deflated' }] });
    for (const layout of ['flat', 'nested'] as const) {
      const archive = await openArchive(path, layout);
      assert.equal(archive.membersPath, path);
      assert.equal(archive.index.find('one/x'), 0);
    }
    assert.deepEqual(readdirSync(folder).sort(), ['a.zip', 'a.zip.index']);
  });

  it('refuses a gzip that is cut short and leaves nothing of it behind', async () => {
    const path = join(folder, 'a.tar.gz');
    writeFileSync(path, gzipSync(await makeTar([{ name: 'one', content: 'x'.repeat(10_000) }])).subarray(0, 60));
    await assert.rejects(openArchive(path, 'flat'), { code: 'ERR_ARCHIVE_CORRUPT', message: /a\.tar\.gz/ });
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
    await makeZip(join(folder, 'aux.zip'), {
      members: [
        { name: './train.txt', content: 'a 0\n' },
        { name: 'val.txt', content: 'b 1\n', method: 'deflated' },
      ],
    });
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const file of ['aux.tar', 'aux.tar.gz', 'aux.zip']) {
    it(`reads members of ${file}, first and last`, async () => {
      assert.equal(await readText(join(folder, file), 'train.txt'), 'a 0\n');
      assert.equal(await readText(join(folder, file), 'val.txt'), 'b 1\n');
    });
    it(`says that ${file} has no such member`, async () => {
      await assert.rejects(readText(join(folder, file), 'test.txt'), { code: 'ERR_NOT_FOUND', message: /test\.txt/ });
    });
  }

  it('reads Latin-1 where a text is no UTF-8, and leaves out the mark that UTF-8 may begin with', async () => {
    writeFileSync(join(folder, 'latin-1.txt'), Buffer.from('caf\u00e9.jpg 1\n', 'latin1'));
    assert.equal(await readText(join(folder, 'latin-1.txt')), 'caf\u00e9.jpg 1\n');
    writeFileSync(join(folder, 'marked.txt'), '\ufeffcaf\u00e9.jpg 1\n');
    assert.equal(await readText(join(folder, 'marked.txt')), 'caf\u00e9.jpg 1\n');
  });

  it('reads a plain file', async () => {
    assert.equal(await readText(join(folder, 'plain.txt')), 'plain');
  });

  it('refuses an archive that is cut short', async () => {
    await assert.rejects(readText(join(folder, 'cut.tar.gz'), 'val.txt'), { code: 'ERR_ARCHIVE_CORRUPT' });
  });

  it('refuses a name that leaves the archive', async () => {
    writeFileSync(join(folder, 'bad.tar'), await makeTar([{ name: '../val.txt', content: 'x' }]));
    await assert.rejects(readText(join(folder, 'bad.tar'), '../val.txt'), { code: 'ERR_ARCHIVE_CORRUPT' });
  });

  it('does not take a link for the file', async () => {
    writeFileSync(join(folder, 'link.tar'), await makeTar([{ name: 'val.txt', content: '', type: 'symlink' }]));
    await assert.rejects(readText(join(folder, 'link.tar'), 'val.txt'), { code: 'ERR_NOT_FOUND' });
  });

  for (const file of ['nothing.tar.gz', 'nothing.zip']) {
    it(`passes on that there is no file ${file}`, async () => {
      await assert.rejects(readText(join(folder, file), 'val.txt'), { code: 'ENOENT' });
    });
  }
});
