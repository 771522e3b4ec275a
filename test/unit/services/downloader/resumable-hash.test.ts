import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { DIGEST_NAMES } from '../../../../lib/platform/known-digest.js';
import { openOpensslHashes } from '../../../../services/downloader/openssl-hash.js';
import { openHashes } from '../../../../services/downloader/fastest-hash.js';
import { HASH_BLOCK_BYTES, VALUE_BYTES, type BeginHash } from '../../../../services/downloader/resumable-hash.js';
import { openWasmHashes } from '../../../../services/downloader/wasm-hash.js';

describe('hashes that can be gone on with', () => {
  let openssl: BeginHash;
  let wasm: BeginHash;
  before(async () => {
    openssl = openOpensslHashes();
    wasm = await openWasmHashes();
  });

  for (const name of DIGEST_NAMES) {
    it(`give the ${name} of the whole, whichever library began and whichever goes on`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(10), fc.boolean(), (bytes, numBlocks, isOpensslFirst) => {
          const [first, second] = isOpensslFirst ? [openssl, wasm] : [wasm, openssl];
          const cut = Math.min(numBlocks, Math.floor(bytes.length / HASH_BLOCK_BYTES)) * HASH_BLOCK_BYTES;
          const head = first(name);
          head.update(bytes.subarray(0, cut));
          const tail = second(name, { bytes: cut, value: Buffer.from(head.state(), 'base64') });
          tail.update(bytes.subarray(cut));
          assert.equal(tail.digest(), createHash(name).update(bytes).digest('hex'));
        }),
      );
    });

    it(`agree on the ${name} of files past the counts that fit into one word`, () => {
      for (const bytes of [2 ** 29 - 64, 2 ** 29, 2 ** 32, 138e9 - (138e9 % 64)]) {
        const digests = [openssl, wasm].map((begin) => {
          const hash = begin(name, { bytes, value: Buffer.alloc(VALUE_BYTES[name], 7) });
          hash.update(Buffer.from('the end'));
          return hash.digest();
        });
        assert.equal(digests[0], digests[1], `after ${bytes} bytes`);
      }
    });
  }

  it('are made by whichever library proves itself', async () => {
    const hash = (await openHashes())('md5');
    hash.update(Buffer.from('abc'));
    assert.equal(hash.digest(), createHash('md5').update('abc').digest('hex'));
  });
});
