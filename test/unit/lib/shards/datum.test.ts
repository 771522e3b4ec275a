import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeDatum, encodeFileDatum, encodeRawDatum } from '../../../../lib/shards/datum.js';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

describe('Datum', () => {
  it('is byte for byte what Caffe writes for a raw 256 × 256 image', () => {
    const pixels = new Uint8Array(196_608).fill(9);
    const bytes = encodeRawDatum({ channels: 3, height: 256, width: 256 }, pixels, 7);
    assert.equal(bytes.length, 196_624);
    assert.equal(bytes.toString('hex', 0, 12), '0803108002188002' + '2280800c');
    assert.equal(bytes.toString('hex', bytes.length - 4), '28073800');
    assert.equal(encodeRawDatum({ channels: 3, height: 256, width: 256 }, pixels, 128).length, 196_625);
  });

  it('tells only data, label and "encoded" of an image file', () => {
    assert.equal(
      encodeFileDatum(Buffer.from('abc'), -1).toString('hex'),
      '2203616263' + '28ffffffffffffffffff01' + '3801',
    );
  });

  it('comes back as it went in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 200 }), int32, (height, width, label) => {
        const data = Uint8Array.from({ length: 3 * height * width }, (_, i) => i & 255);
        const raw = decodeDatum(encodeRawDatum({ channels: 3, height, width }, data, label));
        assert.deepEqual(raw.shape, { channels: 3, height, width });
        assert.deepEqual([raw.label, raw.isEncoded], [label, false]);
        assert.deepEqual(Uint8Array.from(raw.data), data);
        const file = decodeDatum(encodeFileDatum(data, label));
        assert.deepEqual([file.label, file.isEncoded], [label, true]);
        assert.deepEqual(Uint8Array.from(file.data), data);
      }),
    );
  });

  it('refuses bytes that are cut short anywhere', () => {
    const whole = encodeRawDatum({ channels: 3, height: 2, width: 2 }, new Uint8Array(12), 300);
    // Without its last two fields it still is a Datum: label and encoded have defaults.
    for (let length = 0; length < whole.length - 5; length++) {
      assert.throws(() => decodeDatum(whole.subarray(0, length)), { code: 'ERR_SHARD_CORRUPT' }, `at ${length}`);
    }
  });

  it('refuses any bytes with an error of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeDatum(bytes);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_SHARD_CORRUPT');
        }
      }),
    );
  });
});
