import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestFile, forgetDigest, recallDigest, rememberDigest } from '../../../../lib/platform/known-digest.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

describe('known digests', () => {
  const folder = temporaryFolder();
  const text = 'some bytes';
  const hash = (name: string): string => createHash(name).update(text).digest('hex');
  let path: string;
  beforeEach(() => {
    path = join(folder.path, 'file');
    writeFileSync(path, text);
  });

  const digest = (...others: ('sha1' | 'sha256')[]) => digestFile(path, undefined, () => undefined, others);

  it('are MD5 and what else was asked for', async () => {
    assert.deepEqual(await digest(), { bytes: text.length, md5: hash('md5') });
    assert.deepEqual(await digest('sha1', 'sha256'), {
      bytes: text.length,
      md5: hash('md5'),
      sha1: hash('sha1'),
      sha256: hash('sha256'),
    });
  });

  it('are remembered as long as the file stays as it is', async () => {
    const found = await digest('sha256');
    assert.equal(await recallDigest(path), undefined);
    await rememberDigest(path, found);
    assert.deepEqual(await recallDigest(path), found);
    utimesSync(path, 1, 1);
    assert.equal(await recallDigest(path), undefined);
    await rememberDigest(path, found);
    appendFileSync(path, '!');
    assert.equal(await recallDigest(path), undefined);
  });

  it('are forgotten when asked to, and when their record makes no sense', async () => {
    await rememberDigest(path, await digest());
    await forgetDigest(path);
    assert.equal(await recallDigest(path), undefined);
    writeFileSync(`${path}.verified.json`, '{');
    assert.equal(await recallDigest(path), undefined);
  });

  it('stop being made when interrupted', async () => {
    await assert.rejects(
      digestFile(path, AbortSignal.abort(), () => undefined),
      { code: 'ERR_INTERRUPTED' },
    );
  });
});
