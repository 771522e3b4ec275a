/** 500 real ILSVRC2012 images laid out as the real archives, for who has them at hand; nobody publishes them. */
import type { DatasetInput } from '../dataset-schema.js';

export const ilsvrc2012Sample: DatasetInput = {
  name: 'ilsvrc2012-sample',
  about: '400 train and 100 val images laid out as ILSVRC2012; place the files by hand, or serve them from a folder',
  archives: [
    { file: 'ILSVRC2012_img_train.sample.tar', bytes: 47_022_080, md5: '73d0a65f91a8515787f0240c18d35d04' },
    { file: 'ILSVRC2012_img_val.sample.tar', bytes: 11_386_880, md5: '1cfb104c2812f8c7d52c09deec28b69e' },
    { file: 'train.txt' },
    { file: 'val.txt' },
    { file: 'synset_words.txt' },
  ],
  classes: { archive: 'synset_words.txt' },
  splits: {
    train: {
      archive: 'ILSVRC2012_img_train.sample.tar',
      layout: 'nested',
      labels: { from: 'list', list: { archive: 'train.txt' } },
    },
    val: {
      archive: 'ILSVRC2012_img_val.sample.tar',
      layout: 'flat',
      labels: { from: 'list', list: { archive: 'val.txt' } },
    },
  },
  prepare: { size: 256 },
  train: { cropSize: 227, batchSize: 32, numSteps: 12, learningRate: 0.01 },
};
