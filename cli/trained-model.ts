/** What `millrace classify` asks: a checkpoint of `millrace train`, or a caffemodel with what such a file does not say. */
import { readFile } from 'node:fs/promises';
import { messageOf, MillraceError, UsageError } from '../lib/core/errors.js';
import { parseClassNames } from '../lib/core/image-list.js';
import type { Mean } from '../lib/core/transform.js';
import { decodeBlobProto } from '../lib/shards/blob-proto.js';
import { decodeCaffemodel } from '../services/trainer/caffe/caffemodel.js';
import { weightsOf } from '../services/trainer/caffe/caffe-weights.js';
import { createModel, type ModelName } from '../services/trainer/models/catalog.js';
import type { Model } from '../services/trainer/models/model.js';
import { PRESETS } from '../services/trainer/solver/presets.js';
import { readCheckpoint } from '../services/trainer/train/checkpoint-folder.js';
import { checkWeights } from '../services/trainer/train/checkpoint.js';
import type { NamedTensor } from '../services/trainer/train/safetensors.js';
import { notesOf, type CheckpointNotes } from './checkpoint-notes.js';

export interface TrainedModel {
  readonly model: Model;
  readonly weights: ReadonlyMap<string, NamedTensor>;
  readonly notes: CheckpointNotes;
  readonly mean: Mean;
}

/** Models that Caffe's own files hold the weights of. */
export const CAFFE_MODELS = ['caffenet', 'alexnet', 'googlenet'] as const satisfies readonly ModelName[];

export interface TrainedModelFlags {
  readonly checkpoint?: string | undefined;
  readonly caffemodel?: string | undefined;
  readonly model?: (typeof CAFFE_MODELS)[number] | undefined;
  readonly synsetWords?: string | undefined;
  readonly meanFile?: string | undefined;
  readonly meanValue?: readonly number[] | undefined;
}

/** Images are squeezed into this before the crop, as Caffe's tools do. */
const CAFFE_SHAPE = { height: 256, width: 256, channels: 3 } as const;
/** Of ILSVRC2012, as in Caffe's models/bvlc_googlenet. */
const CAFFE_MEAN = [104, 117, 123] as const;

/** Throws UsageError when the flags do not go together, ERR_NOT_FOUND, or ERR_VERIFICATION when a file is not what it should be. */
export async function readTrainedModel(flags: TrainedModelFlags): Promise<TrainedModel> {
  if ((flags.checkpoint === undefined) === (flags.caffemodel === undefined)) {
    throw new UsageError('--checkpoint', '--checkpoint: give either a checkpoint, or --caffemodel');
  }
  return flags.checkpoint === undefined ? readCaffe(flags, String(flags.caffemodel)) : readOwn(flags, flags.checkpoint);
}

async function readOwn({ meanFile }: TrainedModelFlags, path: string): Promise<TrainedModel> {
  const checkpoint = await readCheckpoint(path);
  const { name, inputShape, numClasses } = checkpoint.model;
  const model = createModel(name, inputShape, numClasses);
  checkWeights(model, checkpoint.weights, path);
  const notes = notesOf(checkpoint.annotations, path);
  if (notes.meanMode === 'image' && meanFile === undefined) {
    throw new UsageError(
      '--mean-file',
      '--mean-file: this checkpoint was trained with a mean image; give its mean.binaryproto',
    );
  }
  return { model, weights: checkpoint.weights, notes, mean: await readMean(notes, meanFile) };
}

async function readCaffe(flags: TrainedModelFlags, path: string): Promise<TrainedModel> {
  const { model: name, synsetWords, meanFile, meanValue = CAFFE_MEAN } = flags;
  if (name === undefined) throw new UsageError('--model', `--model: say which of ${CAFFE_MODELS.join(', ')} it is`);
  if (synsetWords === undefined) {
    throw new UsageError('--synset-words', '--synset-words: give the file that names the classes, one a line');
  }
  const classes = parseClassNames((await readModelFile(synsetWords)).toString('utf8'));
  const side = PRESETS[name].cropSize ?? CAFFE_SHAPE.height;
  const model = createModel(name, [side, side, CAFFE_SHAPE.channels], classes.length);
  const notes: CheckpointNotes = {
    classes,
    shape: CAFFE_SHAPE,
    meanMode: meanFile === undefined ? 'channel' : 'image',
    channelMean: [...meanValue],
    preparation: { resize: 'caffe', fit: 'exact' },
    scale: 1,
  };
  const weights = weightsOf(model, decodeCaffemodel(await readModelFile(path), path), path);
  return { model, weights, notes, mean: await readMean(notes, meanFile) };
}

async function readMean(
  { meanMode, channelMean, shape }: CheckpointNotes,
  meanFile: string | undefined,
): Promise<Mean> {
  const isNeeded = meanMode === 'image' && meanFile !== undefined;
  const image = isNeeded ? decodeBlobProto(await readModelFile(meanFile), meanFile, shape).data : new Float32Array();
  return { image, channels: channelMean };
}

/** Throws ERR_NOT_FOUND when it cannot be read. */
export async function readModelFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const context = { cause: error, context: { path } };
    throw new MillraceError('ERR_NOT_FOUND', `cannot read ${path}: ${messageOf(error)}`, context);
  }
}
