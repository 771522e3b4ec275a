import assert from 'node:assert/strict';
import { proofText } from '../../../../services/downloader/expected-digest.js';
import { archiveOf } from '../../../fixtures/download-run.js';

describe('what is said of an archive that fits', () => {
  const [md5, sha1, sha256] = ['a'.repeat(32), 'b'.repeat(40), 'c'.repeat(64)];
  const textOf = (expected: object): string => proofText(archiveOf('a.tar', [], expected), md5);

  it('names the digests that were compared, and no other', () => {
    assert.equal(textOf({ md5 }), `MD5 ${md5} verified`);
    assert.equal(textOf({ sha256 }), `SHA-256 verified, MD5 ${md5}`);
    assert.equal(textOf({ md5, sha256 }), `MD5 ${md5} and SHA-256 verified`);
    assert.equal(textOf({ sha1, sha256 }), `SHA-1 and SHA-256 verified, MD5 ${md5}`);
    assert.equal(textOf({}), `MD5 ${md5} (none is known to compare with)`);
  });
});
