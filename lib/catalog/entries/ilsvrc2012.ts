/** ImageNet's ILSVRC2012 classification data: 1,281,167 training, 50,000 validation and 100,000 test images of 1,000 classes. */
import type { DatasetInput } from '../dataset-schema.js';

const BASE = 'https://image-net.org/data/ILSVRC/2012';
const CAFFE_AUX = 'caffe_ilsvrc12.tar.gz';

export const ilsvrc2012: DatasetInput = {
  name: 'ilsvrc2012',
  about: 'ImageNet ILSVRC2012: 1,281,167 train and 50,000 val images of 1,000 classes',
  homepage: 'https://image-net.org/challenges/LSVRC/2012/2012-downloads.php',
  terms: 'needs an account with approved non-commercial research access at image-net.org',
  archives: [
    {
      file: 'ILSVRC2012_img_train.tar',
      urls: [`${BASE}/ILSVRC2012_img_train.tar`],
      bytes: 147_897_477_120,
      md5: '1d675b47d978889d74fa0da5fadfb00e',
      about: 'training images, a tar of 1,000 tars',
    },
    {
      file: 'ILSVRC2012_img_val.tar',
      urls: [`${BASE}/ILSVRC2012_img_val.tar`],
      bytes: 6_744_924_160,
      md5: '29b22e2961454d5413ddabcf34fc5622',
      about: 'validation images',
    },
    {
      file: CAFFE_AUX,
      urls: [
        `http://dl.caffe.berkeleyvision.org/${CAFFE_AUX}`,
        `https://download.openmmlab.com/mmclassification/datasets/imagenet/meta/${CAFFE_AUX}`,
      ],
      bytes: 17_858_008,
      about: "Caffe's label lists, class names and mean (no digest is published)",
    },
    {
      file: 'ILSVRC2012_img_test_v10102019.tar',
      urls: [`${BASE}/ILSVRC2012_img_test_v10102019.tar`],
      md5: 'e1b8681fff3d63731c599df9b4b6fc02',
      optional: true,
      about: 'test images, with the patch of October 2019',
    },
    {
      file: 'ILSVRC2012_img_test.tar',
      urls: [`${BASE}/ILSVRC2012_img_test.tar`],
      md5: 'fe64ceb247e473635708aed23ab6d839',
      optional: true,
      about: 'test images as released in 2012',
    },
    {
      file: 'ILSVRC2012_devkit_t12.tar.gz',
      urls: [`${BASE}/ILSVRC2012_devkit_t12.tar.gz`],
      md5: 'fa75699e90414af021442c21a62c3abf',
      optional: true,
      about: 'development kit of tasks 1 and 2',
    },
    {
      file: 'ILSVRC2012_bbox_train_v2.tar.gz',
      urls: [`${BASE}/ILSVRC2012_bbox_train_v2.tar.gz`],
      md5: '9271167e2176350e65cfe4e546f14b17',
      optional: true,
      about: 'bounding boxes of training images',
    },
    {
      file: 'ILSVRC2012_bbox_val_v3.tgz',
      urls: [`${BASE}/ILSVRC2012_bbox_val_v3.tgz`],
      md5: 'f4cd18b5ea29fe6bbea62ec9c20d80f0',
      optional: true,
      about: 'bounding boxes of validation images',
    },
  ],
  classes: { archive: CAFFE_AUX, member: 'synset_words.txt' },
  splits: {
    train: {
      archive: 'ILSVRC2012_img_train.tar',
      layout: 'tar-of-tars',
      labels: { from: 'list', list: { archive: CAFFE_AUX, member: 'train.txt' } },
    },
    val: {
      archive: 'ILSVRC2012_img_val.tar',
      layout: 'tar',
      labels: { from: 'list', list: { archive: CAFFE_AUX, member: 'val.txt' } },
    },
  },
  prepare: { size: 256 },
  train: { cropSize: 227, batchSize: 256, numSteps: 450_000, learningRate: 0.01 },
};
