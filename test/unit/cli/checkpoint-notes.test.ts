import assert from 'node:assert/strict';
import { annotate, notesOf } from '../../../cli/checkpoint-notes.js';
import type { DatasetInfo } from '../../../services/trainer/client/client.js';

const INFO: DatasetInfo = {
  dataset: 'mine',
  split: 'train',
  version: '0',
  numSamples: 1,
  shape: { height: 8, width: 8, channels: 3 },
  classes: [{ id: 'a', name: 'an a' }],
  mean: { image: new Float32Array(), channels: [1, 2, 3] },
  preparation: { resize: 'area', fit: 'cover' },
};
const RUN = { mean: 'channel', scale: 1 } as const;

describe('what a checkpoint says for who classifies with it', () => {
  it('tells how images became samples', () => {
    const { preparation, shape, classes } = notesOf(annotate(INFO, RUN), 'a.safetensors');
    assert.deepEqual(
      { preparation, shape, classes },
      { preparation: INFO.preparation, shape: INFO.shape, classes: INFO.classes },
    );
  });

  it('takes Caffe’s way where nobody said', () => {
    const { preparation } = notesOf(annotate({ ...INFO, preparation: undefined }, RUN), 'a.safetensors');
    assert.deepEqual(preparation, { resize: 'caffe', fit: 'exact' });
  });

  it('refuses a checkpoint of another maker, naming it', () => {
    assert.throws(() => notesOf({}, 'b.safetensors'), { code: 'ERR_VERIFICATION', message: /b\.safetensors/ });
  });
});
