/** `--weights`: what a run begins with in place of filled weights, out of a caffemodel, another run's checkpoint or PyTorch's state dict. */
import { createHash } from 'node:crypto';
import { UsageError } from '../lib/core/errors.js';
import { decodeCaffemodel, type CaffeLayer } from '../services/trainer/caffe/caffemodel.js';
import { weightsOf } from '../services/trainer/caffe/caffe-weights.js';
import { createModel } from '../services/trainer/models/catalog.js';
import type { Model } from '../services/trainer/models/model.js';
import { numClassesOf as numTorchClassesOf, weightsOfStateDict } from '../services/trainer/torch/torch-weights.js';
import { checkpointOf, checkWeights, isCheckpoint } from '../services/trainer/train/checkpoint.js';
import { decodeTensorFile, type NamedTensor } from '../services/trainer/train/safetensors.js';
import { readModelFile } from './trained-model.js';

export interface InitialWeights {
  readonly weights: ReadonlyMap<string, NamedTensor>;
  readonly sha256: string;
  /** Parameters that the file has nothing for: a classifier of other classes, auxiliary heads. */
  readonly filled: readonly string[];
}

/**
 * Weights for the model. The file may be for another number of classes: then its classifier is left out. Throws UsageError when
 * the file's name ends otherwise, ERR_NOT_FOUND, or ERR_VERIFICATION when it is not whole, or another model's.
 */
export async function readInitialWeights(path: string, model: Model): Promise<InitialWeights> {
  const kind = /\.(caffemodel|safetensors)$/.exec(path)?.[1];
  if (kind === undefined) {
    throw new UsageError('--weights', `--weights: expected a .caffemodel or .safetensors file, got ${path}`);
  }
  const bytes = await readModelFile(path);
  const found = kind === 'caffemodel' ? fromCaffe(bytes, path, model) : fromSafetensors(bytes, path, model);
  const shapes = new Map([...model.parameters, ...model.statistics].map(({ name, shape }) => [name, shape.join()]));
  const weights = new Map([...found].filter(([name, { shape }]) => shapes.get(name) === shape.join()));
  return {
    weights,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    filled: [...shapes.keys()].filter((name) => !weights.has(name)),
  };
}

function fromCaffe(bytes: Uint8Array, path: string, model: Model): ReadonlyMap<string, NamedTensor> {
  const layers = decodeCaffemodel(bytes, path);
  return weightsOf(forClasses(model, numClassesOf(layers, model)), layers, path);
}

function fromSafetensors(bytes: Uint8Array, path: string, model: Model): ReadonlyMap<string, NamedTensor> {
  const file = decodeTensorFile(bytes, path);
  if (!isCheckpoint(file)) {
    const numClasses = numTorchClassesOf(file.tensors) ?? model.numClasses;
    return weightsOfStateDict(forClasses(model, numClasses), file.tensors, path);
  }
  const { model: of, weights } = checkpointOf(file, path);
  checkWeights(forClasses(model, of.numClasses), weights, path);
  return weights;
}

function forClasses({ name, inputShape }: Model, numClasses: number): Model {
  return createModel(name, inputShape, numClasses);
}

/** The classifier comes last, its bias behind its weight, and is as long as there are classes. */
function numClassesOf(layers: readonly CaffeLayer[], { parameters, numClasses }: Model): number {
  const bias = parameters.findLast(({ isAuxiliary }) => !isAuxiliary)?.name ?? '';
  const classifier = layers.find(({ name }) => `${name}.bias` === bias);
  return classifier?.blobs.at(-1)?.data.length ?? numClasses;
}
