/** The models by name. */
import { UsageError } from '../../../lib/core/errors.js';
import { createAlexNet, createCaffeNet } from './alexnet.js';
import { createGoogLeNet } from './googlenet.js';
import type { ImageShape, Model } from './model.js';
import { createResNet } from './resnet.js';
import { createSmallConvnet } from './small-convnet.js';

const MODELS = {
  'small-convnet': createSmallConvnet,
  caffenet: createCaffeNet,
  alexnet: createAlexNet,
  googlenet: createGoogLeNet,
  'resnet-18': createResNet.bind(undefined, 'resnet-18'),
  'resnet-34': createResNet.bind(undefined, 'resnet-34'),
  'resnet-50': createResNet.bind(undefined, 'resnet-50'),
} as const satisfies Record<string, (inputShape: ImageShape, numClasses: number) => Model>;

export type ModelName = keyof typeof MODELS;

export const MODEL_NAMES = Object.keys(MODELS) as [ModelName, ...ModelName[]];

/** Throws UsageError when there is no such model, or it cannot take images of that shape. */
export function createModel(name: string, inputShape: ImageShape, numClasses: number): Model {
  if (!isModelName(name)) {
    throw new UsageError('model', `model: expected one of ${MODEL_NAMES.join(', ')}, got "${name}"`);
  }
  return MODELS[name](inputShape, numClasses);
}

function isModelName(name: string): name is ModelName {
  return Object.hasOwn(MODELS, name);
}
