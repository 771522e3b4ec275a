/**
 * ResNet-18, -34 and -50: He et al. 2015, with a bottleneck's stride in its 3×3 convolution. Layer names are torchvision's, so that
 * its weights find their places (after a transposition of the convolutions from OIHW to HWIO).
 */
import { batchNormalization } from './layers/batch-norm.js';
import { convolution } from './layers/convolution.js';
import { dense } from './layers/dense.js';
import { identity, relu, sequence, sum, type LayerBuilder } from './layers/layer.js';
import { globalAveragePooling, maxPooling } from './layers/pooling.js';
import { modelOf, type ImageShape, type Model } from './model.js';

/** What is repeated: two 3×3 convolutions, or 1×1, 3×3, 1×1 with four times as many channels at the end. */
type BlockType = 'basic' | 'bottleneck';

interface ResNetPlan {
  readonly block: BlockType;
  /** Number of blocks in each of the four stages. */
  readonly numBlocks: readonly [number, number, number, number];
}

export const RESNET_PLANS = {
  'resnet-18': { block: 'basic', numBlocks: [2, 2, 2, 2] },
  'resnet-34': { block: 'basic', numBlocks: [3, 4, 6, 3] },
  'resnet-50': { block: 'bottleneck', numBlocks: [3, 4, 6, 3] },
} as const satisfies Record<string, ResNetPlan>;

const FIRST_WIDTH = 64;
const EXPANSION: Readonly<Record<BlockType, number>> = { basic: 1, bottleneck: 4 };

/** 11,689,512, 21,797,672 or 25,557,032 parameters with 1,000 classes. Made for images of 224 pixels. */
export function createResNet(name: keyof typeof RESNET_PLANS, inputShape: ImageShape, numClasses: number): Model {
  const { block, numBlocks } = RESNET_PLANS[name];
  const stages = numBlocks.map((count, stage) => {
    const width = FIRST_WIDTH * 2 ** stage;
    return sequence(
      ...Array.from({ length: count }, (_, index) =>
        residual(`layer${stage + 1}.${index}`, block, width, index === 0 && stage > 0 ? 2 : 1),
      ),
    );
  });
  const network = sequence(
    normalizedConvolution('conv1', 'bn1', 7, FIRST_WIDTH, 2),
    relu,
    maxPooling({ size: 3, stride: 2, pad: 1, rounding: 'floor' }),
    ...stages,
    globalAveragePooling,
    dense('fc', numClasses, { weight: { type: 'gaussian', std: 0.01 }, bias: 0 }),
  );
  return modelOf(name, inputShape, numClasses, network);
}

function residual(name: string, block: BlockType, width: number, stride: number): LayerBuilder {
  const numOutputs = width * EXPANSION[block];
  const [conv1, conv2, conv3] = [1, 2, 3].map(
    (index) => (size: number, outputs: number, step: number) =>
      normalizedConvolution(`${name}.conv${index}`, `${name}.bn${index}`, size, outputs, step),
  );
  const body =
    block === 'basic'
      ? sequence(conv1(3, width, stride), relu, conv2(3, width, 1))
      : sequence(conv1(1, width, 1), relu, conv2(3, width, stride), relu, conv3(1, numOutputs, 1));
  return (inputShape) => {
    const isSameShape = stride === 1 && inputShape[2] === numOutputs;
    const shortcut = isSameShape
      ? identity
      : normalizedConvolution(`${name}.downsample.0`, `${name}.downsample.1`, 1, numOutputs, stride);
    return sequence(sum(body, shortcut), relu)(inputShape);
  };
}

/** A convolution without a bias, which the normalisation behind it would take away. */
function normalizedConvolution(
  name: string,
  normName: string,
  size: number,
  numOutputs: number,
  stride: number,
): LayerBuilder {
  const weight = { type: 'msra', varianceNorm: 'fan_out' } as const;
  return sequence(
    convolution(name, { size, stride, pad: (size - 1) / 2, numOutputs, weight, bias: 'none' }),
    batchNormalization(normName),
  );
}
