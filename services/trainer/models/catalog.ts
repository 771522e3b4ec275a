/** The models by name. */
import { UsageError } from '../../../lib/core/errors.js';
import type { ImageShape, Model } from './model.js';
import { createSmallConvnet } from './small-convnet.js';

type CreateModel = (inputShape: ImageShape, numClasses: number) => Model;

const MODELS: ReadonlyMap<string, CreateModel> = new Map([['small-convnet', createSmallConvnet]]);

export const MODEL_NAMES: readonly string[] = [...MODELS.keys()];

/** Throws UsageError when there is no such model, or it cannot take images of that shape. */
export function createModel(name: string, inputShape: ImageShape, numClasses: number): Model {
  const create = MODELS.get(name);
  if (create === undefined) {
    throw new UsageError('model', `model: expected one of ${MODEL_NAMES.join(', ')}, got "${name}"`);
  }
  return create(inputShape, numClasses);
}
