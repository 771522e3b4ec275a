import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { MillraceError } from '../../../../lib/core/errors.js';
import { scanRecords } from '../../../../lib/shards/record-scan.js';
import { createShardWriter } from '../../../../lib/shards/shard-writer.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('scanning records', () => {
  const folder = temporaryFolder();

  const keyOf = (i: number): string => String(i).padStart(8, '0');

  /** Values within leaves, on pages of their own, and more than a transaction's worth of them. */
  async function writeShard(name: string, lengths: readonly number[]): Promise<string> {
    const path = join(folder.path, name);
    const writer = await createShardWriter(path, lengths.length, Math.max(0, ...lengths));
    for (const [i, length] of lengths.entries()) {
      writer.add(Buffer.from(keyOf(i)), Buffer.alloc(length, i));
    }
    await writer.finish();
    await writer.commit();
    return path;
  }

  function scanned(path: string): [string, string][] {
    return Array.from(scanRecords(path), ({ key, value }) => [key.toString(), value.toString('hex')]);
  }

  const shapes: [string, number[]][] = [
    ['no record', []],
    ['small values, of several levels of pages', Array.from({ length: 5_000 }, (_, i) => i % 90)],
    ['values at the limits of a page', [2_000, 2_038, 2_040, 4_064, 4_080, 4_081, 8_176, 8_177, 0, 1]],
    [
      'values of one page beside larger ones, in several transactions',
      [3_500, 400_000, 3_000, 400_000, 2_500, 400_000, 2_200],
    ],
    ['large values in several transactions', Array.from({ length: 9 }, (_, i) => 300_000 + i)],
  ];
  for (const [what, lengths] of shapes) {
    it(`finds what LMDB was given: ${what}`, async () => {
      const path = await writeShard(what, lengths);
      const given = lengths.map((length, i) => [keyOf(i), Buffer.alloc(length, i).toString('hex')]);
      assert.deepEqual(scanned(path), given);
    });
  }

  it('of a damaged file gives records or says what is wrong with which page, and nothing else', async () => {
    const path = await writeShard('damaged', [10, 700, 5_000, 30, 9_000]);
    const file = join(path, 'data.mdb');
    const bytes = readFileSync(file);
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1 });
    fc.assert(
      fc.property(damage, (changes) => {
        const damaged = Buffer.from(bytes);
        for (const [at, by] of changes) damaged[at] ^= by;
        writeFileSync(file, damaged);
        try {
          scanned(path);
        } catch (error) {
          assert.ok(error instanceof MillraceError && error.code === 'ERR_SHARD_CORRUPT', String(error));
          assert.match(error.message, /data\.mdb: page \d+ /);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('notices a byte that changed behind a value', async () => {
    const path = await writeShard('behind', [5_000]);
    const file = join(path, 'data.mdb');
    const bytes = readFileSync(file);
    const begin = bytes.indexOf(Buffer.alloc(5_000));
    bytes[begin + 5_010] ^= 1;
    writeFileSync(file, bytes);
    assert.throws(() => scanned(path), {
      code: 'ERR_SHARD_CORRUPT',
      message: /is not the first of 2 pages of a value/,
    });
  });

  it('refuses a file that is cut short, and one that is no environment', async () => {
    const path = await writeShard('cut', [5_000]);
    truncateSync(join(path, 'data.mdb'), 3 * 4096);
    assert.throws(() => scanned(path), { code: 'ERR_SHARD_CORRUPT', message: /past the end of the file/ });
    writeFileSync(join(path, 'data.mdb'), Buffer.alloc(9000));
    assert.throws(() => scanned(path), { code: 'ERR_SHARD_CORRUPT', message: /is no meta page/ });
  });
});
