/**
 * CIFAR-10 as a tree of JPEGs, `cifar10/{train,test}/<class>/%04d.jpg`. The names of the classes sort in the order of CIFAR's
 * own labels.
 */
import type { DatasetInput } from '../dataset-schema.js';

const FILE = 'cifar10-images.tar.gz';

export const cifar10: DatasetInput = {
  name: 'cifar10',
  about: 'CIFAR-10 as JPEGs of 32 x 32: 50,000 train and 10,000 test images of 10 classes; place the archive by hand',
  homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
  archives: [{ file: FILE, bytes: 19_429_708, md5: '07198bf9b2af89560a2d212cf3cb4c0c', about: 'nobody publishes it' }],
  splits: {
    train: { archive: FILE, prefix: 'cifar10/train/', labels: { from: 'folder' } },
    test: { archive: FILE, prefix: 'cifar10/test/', labels: { from: 'folder' } },
  },
  prepare: { size: 32 },
  train: { cropSize: 28, batchSize: 100, numSteps: 6_000, learningRate: 0.02 },
};
