/** The small subsets of ImageNet that fast.ai publishes, all laid out alike: `<folder>/{train,val}/<wnid>/<image>`. */
import type { DatasetInput } from '../dataset-schema.js';

export interface FastAiSubset {
  readonly name: string;
  /** Name of the archive without `.tgz`, and of the one folder in it. */
  readonly folder: string;
  readonly about: string;
  readonly homepage: string;
  readonly md5?: string;
  /** Side of the stored square image in pixels. */
  readonly size: number;
}

export function fastAiSubset({ name, folder, about, homepage, md5, size }: FastAiSubset): DatasetInput {
  const file = `${folder}.tgz`;
  return {
    name,
    about,
    homepage,
    archives: [{ file, urls: [`https://s3.amazonaws.com/fast-ai-imageclas/${file}`], md5 }],
    splits: {
      train: { archive: file, prefix: `${folder}/train/`, labels: { from: 'folder' } },
      val: { archive: file, prefix: `${folder}/val/`, labels: { from: 'folder' } },
    },
    prepare: { size },
    train: { cropSize: Math.round(size * 0.875), batchSize: 32, numSteps: 1_000, learningRate: 0.01 },
  };
}
