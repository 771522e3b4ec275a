import assert from 'node:assert/strict';
import { UsageError } from '../../../../lib/core/errors.js';
import { completeTransform, PRESET_NAMES } from '../../../../lib/core/presets.js';

describe('a preset', () => {
  it('is a complete transform, and what is given goes before its own', () => {
    const plain = completeTransform({ preset: 'caffe-googlenet' });
    assert.deepEqual(
      [plain.cropSize, plain.mirror, plain.mean, plain.meanValues],
      [224, true, 'values', [104, 117, 123]],
    );
    const changed = completeTransform({ preset: 'caffe-googlenet', cropSize: 112, mirror: false, dtype: 'float16' });
    assert.deepEqual(changed, { ...plain, cropSize: 112, mirror: false, dtype: 'float16' });
  });

  it('goes before nothing that is undefined, and a crop of 0 is the whole sample', () => {
    const plain = completeTransform({ preset: 'eval' });
    assert.deepEqual(completeTransform({ preset: 'eval', mean: undefined, mirror: undefined }), plain);
    assert.equal(completeTransform({ preset: 'eval', cropSize: 0 }).cropSize, undefined);
  });

  it('that is unknown is refused with the names of those that are known', () => {
    assert.throws(
      () => completeTransform({ preset: 'alexnet' as never }),
      (error: unknown) =>
        error instanceof UsageError &&
        error.field === 'transform.preset' &&
        PRESET_NAMES.every((name) => error.message.includes(name)),
    );
  });
});
