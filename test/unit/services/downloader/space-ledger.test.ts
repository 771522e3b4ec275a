import assert from 'node:assert/strict';
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSpaceLedger } from '../../../../services/downloader/space-ledger.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('the ledger of free space', () => {
  const folder = temporaryFolder();
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(folder.path);
    return bavail * bsize;
  };

  it('counts what was promised to others, until that is given back', async () => {
    const ledger = createSpaceLedger();
    const [a, b] = [join(folder.path, 'a'), join(folder.path, 'b')];
    // Each fits alone, both do not.
    const bytes = Math.floor(freeBytes() * 0.6);
    await ledger.reserve(a, bytes);
    await assert.rejects(
      ledger.reserve(b, bytes),
      (error: Error & { code: string; context: Record<string, unknown> }) => {
        assert.equal(error.code, 'ERR_DISK');
        assert.equal(error.context['promisedBytes'], bytes);
        return true;
      },
    );
    await ledger.reserve(a, bytes);
    ledger.release(a);
    await ledger.reserve(b, bytes);
  });

  it('keeps a reserve', async () => {
    await assert.rejects(createSpaceLedger().reserve(join(folder.path, 'c'), freeBytes()), { code: 'ERR_DISK' });
  });

  it('does not count what a file has already', async () => {
    const path = join(folder.path, 'd');
    writeFileSync(path, Buffer.alloc(1 << 20, 1));
    await assert.rejects(
      createSpaceLedger().reserve(path, 2 ** 50),
      ({ context }: { context: { neededBytes: number } }) => {
        assert.ok(context.neededBytes < 2 ** 50);
        return true;
      },
    );
  });
});
