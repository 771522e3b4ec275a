import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { differenceOf, lastCorruptCopy, setAside } from '../../../../services/downloader/corrupt-copy.js';
import { noise } from '../../../fixtures/odd-server.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const MIB = 1 << 20;

describe('corrupt copies', () => {
  const folder = temporaryFolder();

  it('are numbered, and the last one is found again', async () => {
    const target = join(folder.path, 'a.tar');
    assert.equal(await lastCorruptCopy(target), undefined);
    for (const text of ['one', 'two']) {
      writeFileSync(target, text);
      assert.equal(readFileSync(await setAside(target, target), 'utf8'), text);
    }
    assert.equal(await lastCorruptCopy(target), `${target}.corrupt-2`);
  });

  const difference = (a: Buffer, b: Buffer) => {
    const [one, two] = [join(folder.path, 'one'), join(folder.path, 'two')];
    writeFileSync(one, a);
    writeFileSync(two, b);
    return differenceOf(one, two, undefined, () => undefined);
  };

  it('differ in the blocks that hold other bytes', async () => {
    const body = noise(6 * MIB + 5);
    const wrong = Buffer.from(body);
    for (const at of [MIB, 2 * MIB + 7, 6 * MIB + 4]) wrong[at] ^= 1;
    const { ranges } = await difference(body, wrong);
    assert.deepEqual(ranges, [
      [MIB, 3 * MIB],
      [6 * MIB, 6 * MIB + 5],
    ]);
    assert.deepEqual((await difference(body, body)).ranges, []);
  });

  it('differ in what one of them lacks', async () => {
    const body = noise(2 * MIB + 100);
    assert.deepEqual(await difference(body, body.subarray(0, MIB + 1)), {
      ranges: [[MIB, 2 * MIB + 100]],
      bytes: [2 * MIB + 100, MIB + 1],
    });
  });
});
