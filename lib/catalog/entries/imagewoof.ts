/** Imagewoof: ten breeds of dogs, hard to tell apart, out of ImageNet, by fast.ai, in three sizes. */
import type { DatasetInput } from '../dataset-schema.js';
import { fastAiSubset } from './fast-ai.js';

function imagewoofOf(suffix: string, about: string, size: number): DatasetInput {
  return fastAiSubset({
    name: `imagewoof${suffix}`,
    folder: `imagewoof2${suffix}`,
    about: `Imagewoof, ten breeds of dogs of ImageNet: 9,025 train and 3,929 val images, ${about} (no digest known)`,
    homepage: 'https://github.com/fastai/imagenette#imagewoof',
    size,
  });
}

export const imagewoof = imagewoofOf('', 'full size', 256);
export const imagewoof320 = imagewoofOf('-320', 'short side 320 px', 256);
export const imagewoof160 = imagewoofOf('-160', 'short side 160 px', 160);
