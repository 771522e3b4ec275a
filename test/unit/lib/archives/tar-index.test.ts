import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, linkSync, mkdirSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { readMember } from '../../../../lib/archives/read-member.js';
import { indexTar, type ArchiveLayout } from '../../../../lib/archives/tar-index.js';
import { makeTar, sealHeader } from '../../../fixtures/tar-files.js';

describe('indexTar', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-tar-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  async function contentOf(bytes: Buffer, layout: ArchiveLayout = 'flat'): Promise<[string, string][]> {
    const path = join(folder, 'test.tar');
    writeFileSync(path, bytes);
    const index = await indexTar(path, layout);
    const descriptor = openSync(path, 'r');
    try {
      return Array.from({ length: index.numMembers }, (_, i) => [
        index.name(i),
        readMember(path, descriptor, index.offset(i), index.size(i)).toString(),
      ]);
    } finally {
      closeSync(descriptor);
    }
  }

  for (const format of ['gnu', 'oldgnu', 'ustar', 'pax', 'v7']) {
    it(`finds what GNU tar packed in format ${format}, names of every length it allows included`, async () => {
      const source = join(folder, `in-${format}`);
      const longest = format === 'v7' ? 90 : 200;
      const long = `${'d'.repeat(longest / 2)}/${'f'.repeat(longest / 2 - 10)}.JPEG`;
      const files: [string, string][] = [
        ['a.JPEG', 'first'],
        ['empty.JPEG', ''],
        [long, 'long'],
        ['x y/with space.JPEG', 'x'.repeat(1500)],
      ];
      for (const [name, content] of files) {
        mkdirSync(dirname(join(source, name)), { recursive: true });
        writeFileSync(join(source, name), content);
      }
      const names = files.map(([name]) => name);
      const bytes = execFileSync('tar', ['-c', `--format=${format}`, '-C', source, ...names], { maxBuffer: 1 << 24 });
      assert.deepEqual(await contentOf(bytes), files);
    });
  }

  it('finds non-ASCII names and a leading "./"', async () => {
    const tar = await makeTar([
      { name: './plain', content: '1' },
      { name: `${'é'.repeat(120)}.JPEG`, content: '2' },
    ]);
    assert.deepEqual(await contentOf(tar), [
      ['plain', '1'],
      [`${'é'.repeat(120)}.JPEG`, '2'],
    ]);
  });

  it('names the members of inner tars by the inner tar, as Caffe lists them', async () => {
    const first = await makeTar([{ name: 'n01_1.JPEG', content: 'one' }]);
    const second = await makeTar([
      { name: 'n02_1.JPEG', content: 'two' },
      { name: 'n02_9.JPEG', content: 'three' },
    ]);
    const outer = await makeTar([
      { name: 'n01.tar', content: first },
      { name: 'README', content: 'not a tar' },
      { name: 'n02.tar', content: second },
    ]);
    assert.deepEqual(await contentOf(outer, 'nested'), [
      ['n01/n01_1.JPEG', 'one'],
      ['n02/n02_1.JPEG', 'two'],
      ['n02/n02_9.JPEG', 'three'],
    ]);
  });

  it('takes the later of two members of one name', async () => {
    const tar = await makeTar([
      { name: 'a', content: 'old' },
      { name: 'b', content: 'b' },
      { name: 'a', content: 'newer' },
    ]);
    assert.deepEqual(await contentOf(tar), [
      ['a', 'newer'],
      ['b', 'b'],
    ]);
  });

  it('leaves out folders and symbolic links', async () => {
    const tar = await makeTar([
      { name: 'folder', content: '', type: 'directory' },
      { name: 'folder/a', content: 'a' },
      { name: 'link', content: '', type: 'symlink' },
    ]);
    assert.deepEqual(await contentOf(tar), [['folder/a', 'a']]);
  });

  for (const format of ['gnu', 'pax', 'v7']) {
    it(`finds files under all names that hard links give them, in format ${format}`, async () => {
      const source = join(folder, `linked-${format}`);
      const long = `${'l'.repeat(40)}/${'n'.repeat(format === 'v7' ? 40 : 120)}.JPEG`;
      mkdirSync(dirname(join(source, long)), { recursive: true });
      writeFileSync(join(source, long), 'content');
      linkSync(join(source, long), join(source, 'other.JPEG'));
      const bytes = execFileSync('tar', ['-c', `--format=${format}`, '-C', source, long, 'other.JPEG']);
      const found = [
        [long, 'content'],
        ['other.JPEG', 'content'],
      ];
      assert.deepEqual(await contentOf(bytes), found);
      const outer = await makeTar([{ name: 'n01.tar', content: bytes }]);
      const nested = found.map(([name, content]) => [`n01/${name}`, content]);
      assert.deepEqual(await contentOf(outer, 'nested'), nested);
    });
  }

  it('keeps names apart that are no UTF-8', async function () {
    if (process.platform !== 'linux') this.skip();
    const source = join(folder, 'latin-1');
    mkdirSync(source);
    for (const name of ['caf\u00e8', 'caf\u00e9']) writeFileSync(Buffer.from(join(source, name), 'latin1'), name);
    const files = (await contentOf(execFileSync('tar', ['-c', '-C', source, '.']))).sort();
    assert.deepEqual(files, [
      ['caf\u00e8', 'caf\u00e8'],
      ['caf\u00e9', 'caf\u00e9'],
    ]);
  });

  it('says what a file is that is no tar', async () => {
    const tar = await makeTar([{ name: 'a', content: randomBytes(2000).toString('hex') }]);
    await assert.rejects(contentOf(gzipSync(tar)), {
      code: 'ERR_ARCHIVE_CORRUPT',
      message: /it is packed by gzip; unpack it and pack it anew as a plain tar or zip/,
    });
  });

  for (const format of ['gnu', 'pax']) {
    it(`refuses a sparse file in format ${format}`, async () => {
      writeFileSync(join(folder, 'sparse'), 'x');
      truncateSync(join(folder, 'sparse'), 1 << 20);
      const bytes = execFileSync('tar', ['-c', '-S', `--format=${format}`, '-C', folder, 'sparse']);
      await assert.rejects(contentOf(bytes), { code: 'ERR_ARCHIVE_CORRUPT', message: /sparse" is a sparse file/ });
    });
  }

  it('refuses an archive cut off anywhere before its end mark', async () => {
    const tar = await makeTar([
      { name: 'a', content: 'x'.repeat(700) },
      { name: `${'long/'.repeat(40)}name`, content: 'y' },
    ]);
    const endMark = tar.length - 1024;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: endMark + 511 }), async (length) => {
        await assert.rejects(contentOf(tar.subarray(0, length)), { code: 'ERR_ARCHIVE_CORRUPT' });
      }),
    );
  });

  it('refuses an inner tar that is cut off, naming the archive and the offset', async () => {
    const inner = await makeTar([{ name: 'a', content: 'x'.repeat(5000) }]);
    const outer = await makeTar([{ name: 'n01.tar', content: inner.subarray(0, 2048) }]);
    await assert.rejects(contentOf(outer, 'nested'), (error: Error) => {
      assert.match(error.message, /test\.tar: at byte 512: "a" should have 5000 bytes/);
      return true;
    });
  });

  for (const name of ['/etc/passwd', '../up', 'a/../../up', './/../up', '..']) {
    it(`refuses the name "${name}", which leaves the root`, async () => {
      await assert.rejects(contentOf(await makeTar([{ name, content: 'x' }])), {
        code: 'ERR_ARCHIVE_CORRUPT',
        message: /leaves the archive's root/,
      });
    });
  }

  it('refuses a size beyond the end, whatever way it is written', async () => {
    for (const field of ['77777777777\0', Buffer.from([0x80, 0, 0, 0x7f, 255, 255, 255, 255, 255, 255, 255, 255])]) {
      const tar = await makeTar([{ name: 'a', content: 'x' }]);
      tar.fill(0, 124, 136);
      Buffer.from(field).copy(tar, 124);
      sealHeader(tar);
      await assert.rejects(contentOf(tar), { code: 'ERR_ARCHIVE_CORRUPT' });
    }
  });

  it('reads a size in base 256', async () => {
    const tar = await makeTar([{ name: 'a', content: 'abc' }]);
    tar.fill(0, 124, 136);
    tar[124] = 0x80;
    tar[135] = 3;
    sealHeader(tar);
    assert.deepEqual(await contentOf(tar), [['a', 'abc']]);
  });

  it('refuses what is no tar', async () => {
    await assert.rejects(contentOf(Buffer.alloc(4096, 'hello ')), {
      code: 'ERR_ARCHIVE_CORRUPT',
      message: /expected a tar header/,
    });
  });

  it('stops when asked to', async () => {
    const path = join(folder, 'many.tar');
    const one = await makeTar([{ name: 'a', content: '' }]);
    writeFileSync(path, Buffer.concat([...Array.from({ length: 5000 }, () => one.subarray(0, 512)), one]));
    await assert.rejects(indexTar(path, 'flat', { signal: AbortSignal.abort() }), { code: 'ERR_INTERRUPTED' });
  });
});
