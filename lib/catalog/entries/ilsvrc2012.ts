/** ImageNet's ILSVRC2012 classification data: 1,281,167 training, 50,000 validation and 100,000 test images of 1,000 classes. */
import type { DatasetInput } from '../dataset-schema.js';

const BASE = 'https://image-net.org/data/ILSVRC/2012';
const CAFFE_AUX = 'caffe_ilsvrc12.tar.gz';
const TEST = 'ILSVRC2012_img_test_v10102019.tar';
const DEVELOPMENT_KIT = 'ILSVRC2012_devkit_t12.tar.gz';
const BOXES_TRAIN = 'ILSVRC2012_bbox_train_v2.tar.gz';
const BOXES_VAL = 'ILSVRC2012_bbox_val_v3.tgz';

export const ilsvrc2012: DatasetInput = {
  name: 'ilsvrc2012',
  about: 'ImageNet ILSVRC2012: 1,281,167 train, 50,000 val and (without labels) 100,000 test images of 1,000 classes',
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
      file: TEST,
      urls: [`${BASE}/${TEST}`],
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
      file: DEVELOPMENT_KIT,
      urls: [`${BASE}/${DEVELOPMENT_KIT}`],
      md5: 'fa75699e90414af021442c21a62c3abf',
      optional: true,
      about: "development kit of tasks 1 and 2: the validation images' ground truth, and the synsets",
    },
    {
      file: BOXES_TRAIN,
      urls: [`${BASE}/${BOXES_TRAIN}`],
      md5: '9271167e2176350e65cfe4e546f14b17',
      optional: true,
      about: 'bounding boxes of training images',
    },
    {
      file: BOXES_VAL,
      urls: [`${BASE}/${BOXES_VAL}`],
      md5: 'f4cd18b5ea29fe6bbea62ec9c20d80f0',
      optional: true,
      about: 'bounding boxes of validation images',
    },
  ],
  classes: { archive: CAFFE_AUX, member: 'synset_words.txt' },
  splits: {
    train: {
      archive: 'ILSVRC2012_img_train.tar',
      layout: 'nested',
      labels: { from: 'list', list: { archive: CAFFE_AUX, member: 'train.txt' } },
      annotations: { boxes: { archive: BOXES_TRAIN } },
    },
    val: {
      archive: 'ILSVRC2012_img_val.tar',
      labels: { from: 'list', list: { archive: CAFFE_AUX, member: 'val.txt' } },
      annotations: { boxes: { archive: BOXES_VAL, prefix: 'val/' }, developmentKit: DEVELOPMENT_KIT },
    },
    // Nobody publishes the test images' labels: the list says 0 for each.
    test: {
      archive: TEST,
      prefix: 'test/',
      labels: { from: 'list', list: { archive: CAFFE_AUX, member: 'test.txt' } },
    },
  },
  prepare: { size: 256 },
  train: { cropSize: 227, batchSize: 256, numSteps: 450_000, learningRate: 0.01 },
};
