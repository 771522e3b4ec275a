/** GoogLeNet, or Inception v1: Szegedy et al. 2014, as Caffe's models/bvlc_googlenet has it, layer names included. */
import { convolution } from './layers/convolution.js';
import { dense, flatten } from './layers/dense.js';
import { dropout } from './layers/dropout.js';
import { auxiliaryHead, concatenation, relu, sequence, type LayerBuilder } from './layers/layer.js';
import { localResponseNormalization } from './layers/local-response.js';
import { averagePooling, globalAveragePooling, maxPooling } from './layers/pooling.js';
import { modelOf, type ImageShape, type Model } from './model.js';

/** Channels of an inception's branches: 1×1; 3×3 and what is reduced to before it; 5×5 likewise; after the pooling. */
type Widths = readonly [number, readonly [number, number], readonly [number, number], number];

const XAVIER = { type: 'xavier' } as const;
const AUXILIARY_LOSS_WEIGHT = 0.3;

/** 6,998,552 parameters with 1,000 classes, and 6,379,728 more in the two auxiliary heads. Made for images of 224 pixels. */
export function createGoogLeNet(inputShape: ImageShape, numClasses: number): Model {
  const halve = maxPooling({ size: 3, stride: 2 });
  const network = sequence(
    convolutionRelu('conv1/7x7_s2', 7, 64, { stride: 2 }),
    halve,
    localResponseNormalization,
    convolutionRelu('conv2/3x3_reduce', 1, 64),
    convolutionRelu('conv2/3x3', 3, 192),
    localResponseNormalization,
    halve,
    inception('3a', [64, [96, 128], [16, 32], 32]),
    inception('3b', [128, [128, 192], [32, 96], 64]),
    halve,
    inception('4a', [192, [96, 208], [16, 48], 64]),
    sideHead('loss1', numClasses),
    inception('4b', [160, [112, 224], [24, 64], 64]),
    inception('4c', [128, [128, 256], [24, 64], 64]),
    inception('4d', [112, [144, 288], [32, 64], 64]),
    sideHead('loss2', numClasses),
    inception('4e', [256, [160, 320], [32, 128], 128]),
    halve,
    inception('5a', [256, [160, 320], [32, 128], 128]),
    inception('5b', [384, [192, 384], [48, 128], 128]),
    globalAveragePooling,
    dropout('pool5/drop_7x7_s1', 0.4),
    dense('loss3/classifier', numClasses, { weight: XAVIER, bias: 0 }),
  );
  return modelOf('googlenet', inputShape, numClasses, network);
}

function inception(block: string, [one, [reduce3, three], [reduce5, five], pooled]: Widths): LayerBuilder {
  const name = `inception_${block}`;
  return concatenation(
    convolutionRelu(`${name}/1x1`, 1, one),
    sequence(convolutionRelu(`${name}/3x3_reduce`, 1, reduce3), convolutionRelu(`${name}/3x3`, 3, three)),
    sequence(convolutionRelu(`${name}/5x5_reduce`, 1, reduce5), convolutionRelu(`${name}/5x5`, 5, five)),
    sequence(maxPooling({ size: 3, stride: 1, pad: 1 }), convolutionRelu(`${name}/pool_proj`, 1, pooled)),
  );
}

/** Logits half way up, which bring a gradient to the lower layers. */
function sideHead(name: string, numClasses: number): LayerBuilder {
  return auxiliaryHead(
    AUXILIARY_LOSS_WEIGHT,
    sequence(
      averagePooling({ size: 5, stride: 3 }),
      convolutionRelu(`${name}/conv`, 1, 128),
      flatten,
      dense(`${name}/fc`, 1024, { weight: XAVIER, bias: 0.2 }),
      relu,
      dropout(`${name}/drop_fc`, 0.7),
      dense(`${name}/classifier`, numClasses, { weight: XAVIER, bias: 0 }),
    ),
  );
}

/** A convolution that keeps the size of the image, but for its stride. */
function convolutionRelu(name: string, size: number, numOutputs: number, { stride = 1 } = {}): LayerBuilder {
  return sequence(
    convolution(name, { size, stride, pad: (size - 1) / 2, numOutputs, weight: XAVIER, bias: 0.2 }),
    relu,
  );
}
