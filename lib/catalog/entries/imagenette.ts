/** Imagenette: ten easily told classes of ImageNet, by fast.ai, in three sizes. */
import type { DatasetInput } from '../dataset-schema.js';

function imagenetteOf(suffix: string, about: string, md5: string, size: number): DatasetInput {
  const folder = `imagenette2${suffix}`;
  const file = `${folder}.tgz`;
  return {
    name: `imagenette${suffix}`,
    about: `Imagenette, ten classes of ImageNet: 9,469 train and 3,925 val images, ${about}`,
    homepage: 'https://github.com/fastai/imagenette',
    archives: [{ file, urls: [`https://s3.amazonaws.com/fast-ai-imageclas/${file}`], md5 }],
    splits: {
      train: { archive: file, layout: 'tar', prefix: `${folder}/train/`, labels: { from: 'folder' } },
      val: { archive: file, layout: 'tar', prefix: `${folder}/val/`, labels: { from: 'folder' } },
    },
    prepare: { size },
    train: { cropSize: Math.round(size * 0.875), batchSize: 32, numSteps: 1_000, learningRate: 0.01 },
  };
}

export const imagenette = imagenetteOf('', 'full size', 'fe2fc210e6bb7c5664d602c3cd71e612', 256);
export const imagenette320 = imagenetteOf('-320', 'short side 320 px', '3df6f0d01a2c9592104656642f5e78a3', 256);
export const imagenette160 = imagenetteOf('-160', 'short side 160 px', 'e793b78cc4c9e9a4ccc0c1155377a412', 160);
