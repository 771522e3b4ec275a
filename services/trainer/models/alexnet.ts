/** AlexNet and CaffeNet: Krizhevsky et al. 2012, as Caffe's models/bvlc_alexnet and models/bvlc_reference_caffenet have them. */
import { convolution } from './layers/convolution.js';
import { dense, flatten } from './layers/dense.js';
import { dropout } from './layers/dropout.js';
import { relu, sequence, type LayerBuilder } from './layers/layer.js';
import { localResponseNormalization } from './layers/local-response.js';
import { maxPooling } from './layers/pooling.js';
import { modelOf, type ImageShape, type Model } from './model.js';

/** 60,965,224 parameters with 1,000 classes and images of 227 pixels: each norm comes before its pooling. */
export function createAlexNet(inputShape: ImageShape, numClasses: number): Model {
  const network = layersOf(numClasses, [localResponseNormalization, pooling], 0.1);
  return modelOf('alexnet', inputShape, numClasses, network);
}

/** AlexNet with each pooling before its norm, which saves a third of the norms' work, and larger first biases. */
export function createCaffeNet(inputShape: ImageShape, numClasses: number): Model {
  const network = layersOf(numClasses, [pooling, localResponseNormalization], 1);
  return modelOf('caffenet', inputShape, numClasses, network);
}

const pooling: LayerBuilder = maxPooling({ size: 3, stride: 2 });

function layersOf(numClasses: number, normAndPooling: readonly LayerBuilder[], bias: number): LayerBuilder {
  const weight = { type: 'gaussian', std: 0.01 } as const;
  const hidden = (name: string): LayerBuilder =>
    sequence(dense(name, 4096, { weight: { type: 'gaussian', std: 0.005 }, bias }), relu, dropout(name, 0.5));
  return sequence(
    convolution('conv1', { size: 11, stride: 4, numOutputs: 96, weight, bias: 0 }),
    relu,
    ...normAndPooling,
    convolution('conv2', { size: 5, pad: 2, groups: 2, numOutputs: 256, weight, bias }),
    relu,
    ...normAndPooling,
    convolution('conv3', { size: 3, pad: 1, numOutputs: 384, weight, bias: 0 }),
    relu,
    convolution('conv4', { size: 3, pad: 1, groups: 2, numOutputs: 384, weight, bias }),
    relu,
    convolution('conv5', { size: 3, pad: 1, groups: 2, numOutputs: 256, weight, bias }),
    relu,
    pooling,
    flatten,
    hidden('fc6'),
    hidden('fc7'),
    dense('fc8', numClasses, { weight, bias: 0 }),
  );
}
