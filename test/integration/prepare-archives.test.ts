/** `prepare` on archives that are not what the catalog says. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../lib/core/errors.js';
import { prepareDataset } from '../../workers/prepare.js';
import { TINY } from '../fixtures/tiny-dataset.js';
import { tinyRoot } from '../fixtures/tiny-root.js';

describe('prepare, of archives', () => {
  const root = tinyRoot();

  it("refuses an archive that is not the catalog's, placed by hand or changed since it was fetched", async () => {
    const archives = root.settings.dataset.archives.map((archive) => ({ ...archive, md5: '0'.repeat(32) }));
    await assert.rejects(
      prepareDataset(root.as('wrong', { dataset: { ...root.settings.dataset, archives } }), false),
      (error: unknown) =>
        error instanceof MillraceError &&
        error.code === 'ERR_VERIFICATION' &&
        /train\.tar has MD5 [0-9a-f]{32} where 0{32} is expected/.test(error.message),
    );
  });

  it('says what to run when an archive is missing', async () => {
    const archives = root.settings.dataset.archives.map((archive) => ({ ...archive }));
    const dataset = { ...root.settings.dataset, archives };
    await rm(join(root.path, 'archives', 'val.txt'));
    try {
      await assert.rejects(prepareDataset(root.as('missing', { dataset, splits: ['val'] }), false), {
        code: 'ERR_NOT_FOUND',
        message: /val\.txt is not there; run "millrace download tiny" first/,
      });
    } finally {
      const lines = Array.from({ length: TINY.numVal }, (_, i) => `val_${i}.JPEG ${i % TINY.numClasses}\n`);
      await writeFile(join(root.path, 'archives', 'val.txt'), lines.join(''));
    }
  });

  it('refuses an archive that has not the length of the catalog', async () => {
    const archives = root.settings.dataset.archives.map((archive) => ({ ...archive, bytes: 17 }));
    const dataset = { ...root.settings.dataset, archives };
    await assert.rejects(prepareDataset(root.as('short', { dataset }), false), {
      code: 'ERR_VERIFICATION',
      message: /17 are expected/,
    });
  });
});
