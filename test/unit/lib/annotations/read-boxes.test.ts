import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createBoxMends } from '../../../../lib/annotations/boxes.js';
import { readDevelopmentKit } from '../../../../lib/annotations/development-kit.js';
import { imageStem, readBoxes } from '../../../../lib/annotations/read-boxes.js';
import { makeDevelopmentKit, vocXml } from '../../../fixtures/annotation-archives.js';
import { makeTar, type TestMember } from '../../../fixtures/tar-files.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('readBoxes', () => {
  const folder = temporaryFolder();

  async function archiveOf(members: readonly TestMember[]): Promise<string> {
    const path = join(folder.path, 'boxes.tgz');
    await writeFile(path, gzipSync(await makeTar(members)));
    return path;
  }

  it('joins annotations to images by the name of the file, whatever the annotation says', async () => {
    const path = await archiveOf([
      { name: 'val', content: '', type: 'directory' },
      { name: 'val/v_1.xml', content: vocXml('v_1', [{ name: 'n01', corners: [0, 0, 100, 50] }]) },
      { name: 'val/v_2.xml', content: vocXml('%s', []) },
      { name: 'val/v.3.xml', content: vocXml('v.3', []) },
      { name: 'val/README', content: 'no annotation' },
      { name: 'test/v_9.xml', content: 'another split' },
    ]);
    const { byImage, numBoxes, mends } = await readBoxes(path, { prefix: 'val/' });
    assert.deepEqual(
      byImage,
      new Map([
        ['v_1', [{ classId: 'n01', box: [0, 0, 0.5, 0.5] }]],
        ['v_2', []],
        ['v.3', []],
      ]),
    );
    assert.equal(numBoxes, 1);
    assert.deepEqual(mends, { ...createBoxMends(), numOtherFilenames: 1 });
    assert.ok(byImage.has(imageStem('v_1.JPEG')));
  });

  it('keeps the folder of a class in the name', async () => {
    const path = await archiveOf([{ name: 'n01/n01_96.xml', content: vocXml('n01_96.JPEG', []) }]);
    const { byImage, mends } = await readBoxes(path);
    assert.ok(byImage.has(imageStem('n01/n01_96.JPEG')));
    assert.equal(mends.numOtherFilenames, 0);
  });

  it('names archive and file of a malformed annotation', async () => {
    const path = await archiveOf([{ name: 'val/v_1.xml', content: '<annotation>' }]);
    await assert.rejects(readBoxes(path), {
      code: 'ERR_VERIFICATION',
      message: /boxes\.tgz: val\/v_1\.xml: line 1: <annotation> is not closed/,
    });
  });

  it('stops when asked to', async () => {
    const path = await archiveOf([{ name: 'a.xml', content: vocXml('a', []) }]);
    await assert.rejects(readBoxes(path, { signal: AbortSignal.abort() }), { code: 'ERR_INTERRUPTED' });
  });
});

describe('readDevelopmentKit', () => {
  const folder = temporaryFolder();

  it('finds its two files in a gzipped tar', async () => {
    const path = join(folder.path, 'kit.tar.gz');
    await writeFile(path, await makeDevelopmentKit([1, 2, 3]));
    const { synsets, groundTruth } = await readDevelopmentKit(path);
    assert.deepEqual(
      synsets.map(({ wnid }) => wnid),
      ['n03', 'n01', 'n02', 'n04'],
    );
    assert.deepEqual(groundTruth, [1, 2, 3]);
  });

  it('names the file that is missing, or is not what it should be', async () => {
    const path = join(folder.path, 'kit.tar');
    await writeFile(path, await makeTar([{ name: 'data/meta.mat', content: 'x' }]));
    await assert.rejects(readDevelopmentKit(path), { code: 'ERR_VERIFICATION', message: /kit\.tar: data\/meta\.mat/ });
    await writeFile(path, await makeTar([{ name: 'readme', content: 'x' }]));
    await assert.rejects(readDevelopmentKit(path), { code: 'ERR_NOT_FOUND', message: /data\/meta\.mat/ });
  });
});
