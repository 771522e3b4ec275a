import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSettled } from '../../../../lib/rpc/token-file.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('readSettled', () => {
  const folder = temporaryFolder();

  it('takes a file that is being written for what it becomes', async () => {
    const path = join(folder.path, 'tokens.txt');
    writeFileSync(path, '');
    // It has read the file once when it is written, and is to look again.
    const settled = readSettled(path);
    setTimeout(() => writeFileSync(path, 'whole\n'), 100);
    assert.equal(await settled, 'whole\n');
  });

  it('takes a file that stays empty as it is', async () => {
    const path = join(folder.path, 'none.txt');
    writeFileSync(path, '');
    assert.equal(await readSettled(path), '');
  });
});
