/** Caffe's solver.prototxt, read for the settings of a run. */
import type { LearningRatePolicy } from '../solver/learning-rate.js';
import type { UpdateRuleName } from '../solver/update-rules.js';
import type { PartialRunSettings } from '../train/run-settings.js';
import { readFields, type FieldReader } from './field-reader.js';
import { parseTextFormat } from './text-format.js';

export interface SolverFile {
  /** Path of the net, as the file has it. */
  readonly net: string;
  readonly settings: PartialRunSettings;
  /** Fields that are there but change nothing here, each with why. */
  readonly notes: readonly string[];
}

/** Fields that say how Caffe runs, not what it learns. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  test_iter: 'a test goes through the whole split, once',
  test_initialization: 'the first test comes after test_interval steps',
  test_compute_loss: 'a test always says its loss',
  average_loss: 'the log has the loss of each step',
  snapshot_prefix: 'checkpoints go where --snapshots says',
  snapshot_format: 'checkpoints are safetensors files',
  snapshot_diff: 'checkpoints hold no gradients',
  snapshot_after_train: 'a run always ends with a checkpoint',
  solver_mode: '--backend says what computes',
  device_id: '--backend says what computes',
  debug_info: 'nothing is printed of the insides of the net',
  layer_wise_reduce: 'gradients are not exchanged',
};

const RULES: Readonly<Record<string, UpdateRuleName>> = {
  SGD: 'sgd',
  Nesterov: 'nesterov',
  NESTEROV: 'nesterov',
  Adam: 'adam',
  ADAM: 'adam',
};

/** Throws ERR_VERIFICATION naming path, line and field when something is not understood, or asks for what is not there. */
export function readSolverPrototxt(text: string, path: string): SolverFile {
  const fields = readFields(parseTextFormat(text, path), path, 'solver');
  const net = fields.text('net') ?? fields.text('train_net');
  if (net === undefined) throw fields.error('expected the field net, the path of the train_val.prototxt');
  const maxIter = fields.integer('max_iter', 0);
  const seed = fields.integer('random_seed', -1);
  const settings: PartialRunSettings = {
    numSteps: maxIter,
    displayEvery: fields.integer('display', 0),
    testEvery: fields.integer('test_interval', 0),
    snapshotEvery: fields.integer('snapshot', 0),
    seed: seed === undefined || seed < 0 ? undefined : seed,
    solver: {
      rule: ruleOf(fields),
      learningRate: { policy: policyOf(fields, maxIter), numWarmUpSteps: 0 },
      // Caffe's own defaults, which are not ours.
      momentum: fields.number('momentum') ?? 0,
      momentum2: fields.number('momentum2'),
      delta: fields.number('delta'),
      weightDecay: fields.number('weight_decay') ?? 0,
      iterSize: fields.integer('iter_size', 1),
    },
  };
  const regularization = fields.text('regularization_type') ?? 'L2';
  if (regularization !== 'L2') {
    throw fields.error(`regularization_type "${regularization}" is not supported; L2 is`, 'regularization_type');
  }
  const notes = fields
    .present(Object.keys(WITHOUT_EFFECT))
    .map((name) => `${path}: ${name} changes nothing: ${WITHOUT_EFFECT[name]}`);
  fields.finish();
  return { net, settings, notes };
}

function ruleOf(fields: FieldReader): UpdateRuleName {
  const name = fields.text('type') ?? fields.text('solver_type') ?? 'SGD';
  if (!Object.hasOwn(RULES, name)) {
    throw fields.error(`type "${name}" is not supported; SGD, Nesterov and Adam are`, 'type');
  }
  return RULES[name];
}

function policyOf(fields: FieldReader, maxIter: number | undefined): LearningRatePolicy {
  const policy = fields.text('lr_policy') ?? 'fixed';
  const needed = (name: string, value = fields.number(name)): number => {
    if (value === undefined) throw fields.error(`lr_policy "${policy}" needs the field ${name}`);
    return value;
  };
  const baseRate = needed('base_lr');
  switch (policy) {
    case 'fixed':
      return { type: 'fixed', baseRate };
    case 'step':
      return {
        type: 'step',
        baseRate,
        gamma: needed('gamma'),
        stepSize: needed('stepsize', fields.integer('stepsize', 1)),
      };
    case 'multistep':
      return { type: 'multistep', baseRate, gamma: needed('gamma'), stepValues: fields.numbers('stepvalue') };
    case 'exp':
      return { type: 'exp', baseRate, gamma: needed('gamma') };
    case 'inv':
      return { type: 'inv', baseRate, gamma: needed('gamma'), power: needed('power') };
    case 'poly':
      if (maxIter === undefined) throw fields.error('lr_policy "poly" needs the field max_iter');
      return { type: 'poly', baseRate, power: needed('power'), maxSteps: maxIter };
    case 'sigmoid':
      return { type: 'sigmoid', baseRate, gamma: needed('gamma'), stepSize: needed('stepsize') };
    default:
      throw fields.error(
        `lr_policy "${policy}" is not one of fixed, step, multistep, exp, inv, poly, sigmoid`,
        'lr_policy',
      );
  }
}
