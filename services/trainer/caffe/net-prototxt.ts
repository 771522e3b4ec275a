/** Caffe's train_val.prototxt, read for its data layers and for what its layers learn; the model itself is one of ours. */
import { MODEL_NAMES, type ModelName } from '../models/catalog.js';
import type { Model } from '../models/model.js';
import type { PartialRunSettings } from '../train/run-settings.js';
import { readFields, type FieldReader } from './field-reader.js';
import { parseTextFormat } from './text-format.js';

export interface NetFile {
  /** The model that a net of this name is. Undefined when it is none of ours. */
  readonly model: ModelName | undefined;
  readonly name: string;
  /** Path of the training LMDB, as the file has it. */
  readonly source: string;
  readonly settings: PartialRunSettings;
  readonly layers: readonly LearntLayer[];
  readonly notes: readonly string[];
}

/** A layer with weights. */
export interface LearntLayer {
  readonly name: string;
  readonly numOutputs: number;
  /** `lr_mult` and `decay_mult` of weight and bias, as far as they are given; 1 and 1 where not, as in Caffe. */
  readonly multipliers: readonly { readonly rate: number; readonly decay: number }[];
  readonly error: FieldReader['error'];
}

/** Names that Caffe's own files have, in small letters and without what is between. */
const NAMES: Readonly<Record<string, ModelName>> = {
  caffenet: 'caffenet',
  alexnet: 'alexnet',
  googlenet: 'googlenet',
  ...Object.fromEntries(MODEL_NAMES.map((name) => [plain(name), name])),
};

/** Throws ERR_VERIFICATION naming path, line and field when something is not understood, or asks for what is not there. */
export function readNetPrototxt(text: string, path: string): NetFile {
  const net = readFields(parseTextFormat(text, path), path, 'net');
  const name = net.text('name') ?? '';
  const layers = [...net.messages('layer'), ...net.messages('layers')].map((fields) => readLayer(fields));
  const dataLayers = layers.flatMap(({ data }) => data ?? []);
  const train = dataLayers.find(({ phase }) => phase !== 'TEST');
  if (train === undefined) throw net.error('expected a layer of type "Data" for the phase TRAIN');
  const test = dataLayers.find(({ phase }) => phase === 'TEST');
  return {
    model: Object.hasOwn(NAMES, plain(name)) ? NAMES[plain(name)] : undefined,
    name,
    source: train.source,
    settings: { ...train.settings, testBatchSize: test?.settings.batchSize },
    layers: layers.flatMap(({ learnt }) => learnt ?? []),
    notes: dataLayers.flatMap(({ notes }) => notes.map((note) => `${path}: ${note}`)),
  };
}

/**
 * The model with the multipliers of the net's layers. Throws ERR_VERIFICATION when a layer of the net is none of the model's, or
 * has another number of outputs.
 */
export function withMultipliersOf({ layers }: NetFile, model: Model): Model {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const widths = new Map(model.parameters.map(({ name, shape }) => [name, shape[shape.length - 1]]));
  for (const { name, numOutputs, error } of layers) {
    const expected = widths.get(`${name}.weight`);
    if (expected !== numOutputs) {
      throw error(
        expected === undefined
          ? `${model.name} has no layer of that name; only nets that are one of the built-in models can be trained`
          : `num_output is ${numOutputs}, ${model.name} has ${expected} here`,
      );
    }
  }
  return {
    ...model,
    parameters: model.parameters.map((parameter) => {
      const [layer, kind] = splitName(parameter.name);
      const multipliers = byName.get(layer)?.multipliers;
      if (multipliers === undefined) return parameter;
      const { rate, decay } = multipliers.at(kind === 'weight' ? 0 : 1) ?? { rate: 1, decay: 1 };
      return { ...parameter, rateMultiplier: rate, decayMultiplier: decay };
    }),
  };
}

interface DataLayer {
  readonly phase: string | undefined;
  readonly source: string;
  readonly settings: PartialRunSettings;
  readonly notes: readonly string[];
}

function readLayer(fields: FieldReader): { data?: DataLayer; learnt?: LearntLayer } {
  const name = fields.text('name') ?? '';
  const type = (fields.text('type') ?? '').toLowerCase().replaceAll('_', '');
  const phases = fields.messages('include').map((rule) => rule.text('phase'));
  switch (type) {
    case 'data':
      return { data: readDataLayer(fields, phases.at(0)) };
    case 'imagedata':
    case 'hdf5data':
    case 'memorydata':
    case 'windowdata':
      throw fields.error(`data layers of type "${fields.text('type')}" are not supported; "Data" is`, 'type');
    case 'convolution':
    case 'innerproduct':
      return { learnt: readLearntLayer(fields, name, type) };
    default:
      return {};
  }
}

function readDataLayer(fields: FieldReader, phase: string | undefined): DataLayer {
  fields.present(['name', 'type', 'top', 'include']);
  const data = fields.message('data_param');
  const source = data?.text('source');
  if (data === undefined || source === undefined) throw fields.error('expected data_param with a source');
  data.present(['backend', 'prefetch']);
  const batchSize = data.integer('batch_size', 1);
  data.finish();
  const transform = fields.message('transform_param');
  const meanFile = transform?.text('mean_file');
  const meanValues = transform?.numbers('mean_value') ?? [];
  if (meanFile !== undefined && meanValues.length > 0) {
    throw fields.error('transform_param has both a mean_file and a mean_value', 'transform_param');
  }
  if (transform !== undefined && meanFile === undefined && meanValues.length === 0) {
    throw fields.error(
      'transform_param has no mean_file and no mean_value; one is always subtracted',
      'transform_param',
    );
  }
  const notes =
    meanFile === undefined
      ? [`mean_value ${meanValues.join(', ')}: the mean that is subtracted is the dataset's own, per channel`]
      : [`mean_file ${meanFile}: the mean that is subtracted is the dataset's own, as an image`];
  const settings: PartialRunSettings = {
    batchSize,
    cropSize: transform?.integer('crop_size', 0),
    mirror: transform?.boolean('mirror') ?? false,
    mean: meanFile === undefined ? 'channel' : 'image',
    scale: transform?.number('scale'),
  };
  transform?.present(['force_color']);
  transform?.finish();
  fields.finish();
  return { phase, source, settings, notes };
}

function readLearntLayer(fields: FieldReader, name: string, type: 'convolution' | 'innerproduct'): LearntLayer {
  const parameter = type === 'convolution' ? 'convolution_param' : 'inner_product_param';
  const numOutputs = fields.message(parameter)?.number('num_output');
  if (numOutputs === undefined) throw fields.error(`layer ${name}: expected ${parameter} with a num_output`);
  const multipliers = fields
    .messages('param')
    .map((param) => ({ rate: param.number('lr_mult') ?? 1, decay: param.number('decay_mult') ?? 1 }));
  // The old form of the same.
  const [rates, decays] = [fields.numbers('blobs_lr'), fields.numbers('weight_decay')];
  const old = rates.map((rate, index) => ({ rate, decay: decays.at(index) ?? 1 }));
  return {
    name,
    numOutputs,
    multipliers: multipliers.length > 0 ? multipliers : old,
    error: (problem) => fields.error(`${name}: ${problem}`),
  };
}

function splitName(parameter: string): readonly [string, string] {
  const dot = parameter.lastIndexOf('.');
  return [parameter.slice(0, dot), parameter.slice(dot + 1)];
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
