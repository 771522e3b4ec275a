/** LMDB's files read without LMDB: compared with what was written through it, and with files that are damaged. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { MillraceError } from '../../../../lib/core/errors.js';
import { mix32 } from '../../../../lib/core/keyed-hash.js';
import { createEnvironment } from '../../../../lib/shards/lmdb-environment.js';
import { openLmdbFile, readExactly, type LmdbFile } from '../../../../lib/shards/lmdb-file.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

type Records = [key: string, value: Buffer][];

function readAll(file: LmdbFile): Records {
  return Array.from({ length: file.numRecords }, (_, index) => {
    const value = Buffer.alloc(file.valueLength(index));
    readExactly(file.path, file.descriptor, value, file.valueOffset(index));
    return [file.readKey(file.descriptor, index).toString(), value];
  });
}

const noise = (length: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => mix32(seed + i) >>> 24));

describe('an LMDB file', () => {
  const folder = temporaryFolder();
  let numFolders = 0;

  /** Writes in several transactions, so that the file has a past. */
  async function write(records: Records): Promise<string> {
    const path = join(folder.path, `environment${numFolders++}`);
    mkdirSync(path);
    const environment = createEnvironment(path, 64 << 20);
    const half = records.length >> 1;
    for (const part of [records.slice(0, half), records.slice(half)]) {
      environment.transactionSync(() => {
        for (const [key, value] of part) environment.putSync(Buffer.from(key), value);
      });
    }
    await environment.close();
    return join(path, 'data.mdb');
  }

  it('has the records that were written, small ones and large ones, in the order of their keys', async () => {
    const sizes = fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1_900, max: 2_100 }), fc.nat(20_000));
    const keys = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 200 });
    const given = fc.uniqueArray(fc.tuple(keys, sizes), { selector: ([key]) => key, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(given, async (entries) => {
        const records = entries.map(([key, size], i): [string, Buffer] => [key, noise(size, i)]);
        const file = openLmdbFile(await write(records));
        const inOrder = records.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        assert.deepEqual(readAll(file), inOrder);
        assert.equal(file.maxValueBytes, Math.max(0, ...records.map(([, value]) => value.length)));
        file.close();
      }),
      { numRuns: 40 },
    );
  });

  it('has them through several levels of its tree', async () => {
    const records = Array.from({ length: 20_000 }, (_, i): [string, Buffer] => [
      `${String(i).padStart(8, '0')}_${'k'.repeat(100)}`,
      noise(i % 90, i),
    ]);
    const file = openLmdbFile(await write(records));
    assert.deepEqual(readAll(file), records);
    file.close();
  });

  describe('that is damaged', () => {
    let whole: string;
    before(async () => {
      whole = await write(Array.from({ length: 400 }, (_, i) => [`key${String(i).padStart(5, '0')}`, noise(5_000, i)]));
    });

    const refuses = (path: string, message: RegExp): void => {
      assert.throws(() => readAll(openLmdbFile(path)), { code: 'ERR_SHARD_CORRUPT', message });
    };

    it('is refused wherever it was cut', () => {
      const { length } = readFileSync(whole);
      const path = join(folder.path, 'cut.mdb');
      for (const bytes of [0, 100, 4_096, 8_192, 8_200, length >> 1]) {
        copyFileSync(whole, path);
        truncateSync(path, bytes);
        refuses(path, /ends at/);
      }
    });

    it('is refused, or read, but never worse, with any byte of its tree changed', () => {
      const original = readFileSync(whole);
      const path = join(folder.path, 'changed.mdb');
      copyFileSync(whole, path);
      fc.assert(
        fc.property(fc.nat(original.length >> 12), fc.nat(4_095), fc.nat(255), (page, at, byte) => {
          // The first bytes of a page steer; what follows in most of this file is a value.
          const offset = Math.min(page * 4_096 + (at % 64), original.length - 1);
          const descriptor = openSync(path, 'r+');
          writeSync(descriptor, Buffer.from([byte]), 0, 1, offset);
          try {
            readAll(openLmdbFile(path));
          } catch (error) {
            assert.ok(error instanceof MillraceError && error.code === 'ERR_SHARD_CORRUPT', String(error));
            assert.match(error.message, /changed\.mdb: page \d+ /);
          } finally {
            writeSync(descriptor, original, offset, 1, offset);
            closeSync(descriptor);
          }
        }),
        { numRuns: 300 },
      );
    });

    /** What a number of the newest meta page, or of the root page that it names, is changed to, and what is said of it. */
    const changes: [what: string, change: (meta: Buffer, root: Buffer, rootPage: number) => void, message: RegExp][] = [
      ['a tree less deep than it says', (meta) => meta.writeUInt16LE(4, 94), /is no branch page/],
      ['a tree deeper than it says', (meta) => meta.writeUInt16LE(1, 94), /is no leaf page/],
      ['more levels than any tree', (meta) => meta.writeUInt16LE(33, 94), /33 levels of pages deep/],
      ['no level, and a root', (meta) => meta.writeUInt16LE(0, 94), /0 levels of pages deep/],
      ['fewer records', (meta) => meta.writeUInt32LE(399, 120), /says 399 records, but there are more/],
      ['more records', (meta) => meta.writeUInt32LE(401, 120), /says 401 records, but there are 400/],
      ['more records than bytes', (meta) => meta.writeUInt32LE(7, 124), /says \d+ records, 2 levels/],
      ['keys with several values', (meta) => meta.writeUInt16LE(4, 92), /several values/],
      ['a root beyond its end', (meta) => meta.writeUInt32LE(1 << 30, 128), /page 1073741824 lies past the end/],
      ['another format in its newest meta page', (meta) => meta.writeUInt32LE(2, 20), /data format v2, expected v1/],
      ['a page of another number', (_, root) => root.writeUInt32LE(3, 0), /is no branch page/],
      ['a page with no node', (_, root) => root.writeUInt16LE(16, 12), /their offsets up to 16/],
      ['half an offset', (_, root) => root.writeUInt16LE(19, 12), /their offsets up to 19/],
      ['nodes amid their offsets', (_, root) => root.writeUInt16LE(17, 14), /has nodes of 17 on/],
      ['a node outside the page', (_, root) => root.writeUInt16LE(4_090, 16), /a node that leaves the page/],
      [
        'a branch that is its own leaf',
        (_, root, page) => root.writeUInt32LE(page, root.readUInt16LE(16)),
        /no leaf page/,
      ],
    ];
    for (const [what, change, message] of changes) {
      it(`is refused with ${what}`, () => {
        const bytes = readFileSync(whole);
        const metas = [bytes.subarray(0, 4_096), bytes.subarray(4_096, 8_192)];
        const [meta] = metas.sort((a, b) => b.readUInt32LE(144) - a.readUInt32LE(144));
        const rootPage = meta.readUInt32LE(128);
        change(meta, bytes.subarray(rootPage * 4_096, (rootPage + 1) * 4_096), rootPage);
        const path = join(folder.path, 'changed.mdb');
        writeFileSync(path, bytes);
        refuses(path, message);
      });
    }

    it('is refused when it is of another kind', () => {
      const path = join(folder.path, 'other.mdb');
      writeFileSync(path, Buffer.alloc(10_000, 7));
      refuses(path, /is no LMDB file/);
      const other = readFileSync(whole);
      other.writeUInt32LE(2, 20);
      writeFileSync(path, other);
      refuses(path, /data format v2, expected v1/);
      refuses(join(folder.path, 'nowhere'), /cannot be opened/);
    });
  });
});
