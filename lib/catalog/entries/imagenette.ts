/** Imagenette: ten easily told classes of ImageNet, by fast.ai, in three sizes. */
import type { DatasetInput } from '../dataset-schema.js';
import { fastAiSubset } from './fast-ai.js';

function imagenetteOf(suffix: string, about: string, md5: string, size: number): DatasetInput {
  return fastAiSubset({
    name: `imagenette${suffix}`,
    folder: `imagenette2${suffix}`,
    about: `Imagenette, ten classes of ImageNet: 9,469 train and 3,925 val images, ${about}`,
    homepage: 'https://github.com/fastai/imagenette',
    md5,
    size,
  });
}

export const imagenette = imagenetteOf('', 'full size', 'fe2fc210e6bb7c5664d602c3cd71e612', 256);
export const imagenette320 = imagenetteOf('-320', 'short side 320 px', '3df6f0d01a2c9592104656642f5e78a3', 256);
export const imagenette160 = imagenetteOf('-160', 'short side 160 px', 'e793b78cc4c9e9a4ccc0c1155377a412', 160);
