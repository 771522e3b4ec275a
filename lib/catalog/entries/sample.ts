/**
 * Images that the project draws itself, shaped like ILSVRC2012: `millrace run sample` makes the archives, serves them over
 * loopback and trains on them. Their digests depend on the JPEG encoder at hand, so the maker writes them into the dataset
 * file that it serves, rather than this entry.
 */
import type { DatasetInput } from '../dataset-schema.js';

export const sample: DatasetInput = {
  name: 'sample',
  about: 'ten classes of drawn images: 2,000 train and 500 val JPEGs, made by the project itself',
  archives: [
    { file: 'sample_img_train.tar', about: 'a tar of ten tars' },
    { file: 'sample_img_val.tar' },
    { file: 'sample_train.txt' },
    { file: 'sample_val.txt' },
    { file: 'sample_synset_words.txt' },
  ],
  classes: { archive: 'sample_synset_words.txt' },
  splits: {
    train: {
      archive: 'sample_img_train.tar',
      layout: 'nested',
      labels: { from: 'list', list: { archive: 'sample_train.txt' } },
    },
    val: {
      archive: 'sample_img_val.tar',
      layout: 'flat',
      labels: { from: 'list', list: { archive: 'sample_val.txt' } },
    },
  },
  prepare: { size: 64 },
  train: { cropSize: 56, batchSize: 32, numSteps: 500, learningRate: 0.01 },
};
