/** `prepare` on archives that are not what the catalog says. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from '../../lib/core/errors.js';
import { prepareDataset, type PrepareSettings } from '../../workers/prepare.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { makeTinyDataset, TINY } from '../fixtures/tiny-dataset.js';

describe('prepare, of archives', () => {
  const root = temporaryFolder();
  let settings: PrepareSettings;
  const as = (name: string, changes: Partial<PrepareSettings> = {}): PrepareSettings => ({
    ...settings,
    name,
    ...changes,
  });

  before(async () => {
    settings = await makeTinyDataset(root.path);
  });

  it("refuses an archive that is not the catalog's, placed by hand or changed since it was fetched", async () => {
    const archives = settings.dataset.archives.map((archive) => ({ ...archive, md5: '0'.repeat(32) }));
    await assert.rejects(
      prepareDataset(as('wrong', { dataset: { ...settings.dataset, archives } }), false),
      (error: unknown) =>
        error instanceof MillraceError &&
        error.code === 'ERR_VERIFICATION' &&
        /train\.tar has MD5 [0-9a-f]{32} where 0{32} is expected/.test(error.message),
    );
  });

  it('says what to run when an archive is missing', async () => {
    const archives = settings.dataset.archives.map((archive) => ({ ...archive }));
    const dataset = { ...settings.dataset, archives };
    await rm(join(root.path, 'archives', 'val.txt'));
    try {
      await assert.rejects(prepareDataset(as('missing', { dataset, splits: ['val'] }), false), {
        code: 'ERR_NOT_FOUND',
        message: /val\.txt is not there; run "millrace download tiny" first/,
      });
    } finally {
      const lines = Array.from({ length: TINY.numVal }, (_, i) => `val_${i}.JPEG ${i % TINY.numClasses}\n`);
      await writeFile(join(root.path, 'archives', 'val.txt'), lines.join(''));
    }
  });

  it('refuses an archive that has not the length of the catalog', async () => {
    const archives = settings.dataset.archives.map((archive) => ({ ...archive, bytes: 17 }));
    const dataset = { ...settings.dataset, archives };
    await assert.rejects(prepareDataset(as('short', { dataset }), false), {
      code: 'ERR_VERIFICATION',
      message: /17 are expected/,
    });
  });
});
