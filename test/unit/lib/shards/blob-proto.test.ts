import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeBlobProto, encodeBlobProto } from '../../../../lib/shards/blob-proto.js';

describe('BlobProto', () => {
  it('is byte for byte what compute_image_mean writes for 3 × 256 × 256', () => {
    const shape = { channels: 3, height: 256, width: 256 };
    const bytes = encodeBlobProto({ shape, data: new Float32Array(196_608).fill(1.5) });
    assert.equal(bytes.length, 786_446);
    assert.equal(bytes.toString('hex', 0, 18), '08011003188002208002' + '2a808030' + '0000c03f');
  });

  it('comes back from a file as it went in', () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-blob-'));
    try {
      const path = join(folder, 'mean.binaryproto');
      const mean = {
        shape: { channels: 3, height: 2, width: 5 },
        data: Float32Array.from({ length: 30 }, (_, i) => i / 7),
      };
      writeFileSync(path, encodeBlobProto(mean));
      assert.deepEqual(decodeBlobProto(readFileSync(path), path), mean);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('refuses what is cut short or holds another number of values, naming the file', () => {
    const whole = encodeBlobProto({ shape: { channels: 1, height: 2, width: 2 }, data: new Float32Array(4) });
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeBlobProto(whole.subarray(0, length), 'm.bp'), {
        code: 'ERR_SHARD_CORRUPT',
        message: /m\.bp/,
      });
    }
    const wrong = encodeBlobProto({ shape: { channels: 1, height: 2, width: 3 }, data: new Float32Array(4) });
    assert.throws(() => decodeBlobProto(wrong, 'm.bp'), /4 numbers for 1×2×3/);
  });
});
