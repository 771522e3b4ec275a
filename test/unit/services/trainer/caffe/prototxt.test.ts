import assert from 'node:assert/strict';
import { MillraceError } from '../../../../../lib/core/errors.js';
import { readNetPrototxt, withMultipliersOf } from '../../../../../services/trainer/caffe/net-prototxt.js';
import { readSolverPrototxt } from '../../../../../services/trainer/caffe/solver-prototxt.js';
import {
  parseTextFormat,
  type TextMessage,
  type TextValue,
} from '../../../../../services/trainer/caffe/text-format.js';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { PRESETS } from '../../../../../services/trainer/solver/presets.js';
import { mergeSettings } from '../../../../../services/trainer/train/run-settings.js';
import { CAFFENET_SOLVER, caffenetText, QUICK_SOLVER } from '../../../../fixtures/prototxt.js';

/** A message as plain objects. */
function plain({ fields }: TextMessage): Record<string, unknown[]> {
  const valueOf = (value: TextValue): unknown => ('fields' in value ? plain(value) : value.text);
  return Object.fromEntries([...fields].map(([name, values]) => [name, values.map(valueOf)]));
}

const isRefused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MillraceError && error.code === 'ERR_VERIFICATION', String(error));
  assert.match(error.message, message);
  return true;
};

describe("protobuf's text format", () => {
  it('is read with its comments, lists, both brackets, separators and strings in parts', () => {
    const text = `
      a: 1 a: -2.5e-3, b: "x # \\"y\\"" 'z'; # a comment
      c { d: TRAIN e <f: [1, 2] > } c: { }
      g: true`;
    assert.deepEqual(plain(parseTextFormat(text, 'x')), {
      a: ['1', '-2.5e-3'],
      b: ['x # "y"z'],
      c: [{ d: ['TRAIN'], e: [{ f: ['1', '2'] }] }, {}],
      g: ['true'],
    });
  });

  for (const { text, message } of [
    { text: 'a: 1\nb {\n c: 2', message: /^x:2: a message that begins here never ends with "}"/ },
    { text: 'a: 1\n"b": 2', message: /^x:2: expected the name of a field, got "b"/ },
    { text: 'a:', message: /^x:1: expected a value of a, got the end/ },
    { text: 'a 1', message: /^x:1: expected a value of a, got "1"/ },
    { text: 'a: 1\n\n  $', message: /^x:3: cannot read "\$"/ },
    { text: 'a: "b\nc"', message: /^x:1: cannot read ""b"/ },
    { text: 'a: [1, 2', message: /^x:1: expected a value of a, got the end/ },
  ]) {
    it(`is refused with its line: ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseTextFormat(text, 'x'), isRefused(message));
    });
  }
});

describe("Caffe's solver.prototxt", () => {
  it('of CaffeNet, with its net, is the preset of caffenet', () => {
    const solver = readSolverPrototxt(CAFFENET_SOLVER, 'solver.prototxt');
    const net = readNetPrototxt(caffenetText({ name: 'CaffeNet' }), 'net');
    assert.equal(solver.net, 'models/bvlc_reference_caffenet/train_val.prototxt');
    assert.deepEqual([net.model, net.source], ['caffenet', 'examples/imagenet/ilsvrc12_train_lmdb']);
    assert.deepEqual(mergeSettings({ ...net.settings, ...solver.settings }), mergeSettings(PRESETS.caffenet));
    assert.deepEqual(
      solver.notes.map((note) => note.split(' ')[1]),
      ['test_iter', 'snapshot_prefix', 'solver_mode'],
    );
  });

  it('of GoogLeNet, the quick one, is the preset of googlenet', () => {
    const { settings } = readSolverPrototxt(QUICK_SOLVER, 'quick_solver.prototxt');
    const mean = 'mean_value: 104 mean_value: 117 mean_value: 123';
    const net = readNetPrototxt(caffenetText({ name: 'GoogleNet', trainBatch: 32, crop: 224, mean }), 'net');
    assert.equal(net.model, 'googlenet');
    assert.deepEqual(mergeSettings({ ...net.settings, ...settings }), mergeSettings(PRESETS.googlenet));
  });

  const rateOf = (text: string) => readSolverPrototxt(`net: "n" ${text}`, 's').settings.solver!;

  it('gives every policy, rule and number that there is', () => {
    const base = 'base_lr: 0.1';
    for (const [text, policy] of [
      ['lr_policy: "fixed"', { type: 'fixed' }],
      [
        'lr_policy: "multistep" gamma: 0.5 stepvalue: 10 stepvalue: 20',
        { type: 'multistep', gamma: 0.5, stepValues: [10, 20] },
      ],
      ['lr_policy: "exp" gamma: 0.99', { type: 'exp', gamma: 0.99 }],
      ['lr_policy: "inv" gamma: 0.0001 power: 0.75', { type: 'inv', gamma: 0.0001, power: 0.75 }],
      ['lr_policy: "poly" power: 1 max_iter: 7', { type: 'poly', power: 1, maxSteps: 7 }],
      ['lr_policy: "sigmoid" gamma: -0.01 stepsize: 5', { type: 'sigmoid', gamma: -0.01, stepSize: 5 }],
    ] as const) {
      assert.deepEqual(rateOf(`${base} ${text}`).learningRate!.policy, { baseRate: 0.1, ...policy });
    }
    const adam = rateOf(`${base} type: "Adam" momentum: 0.8 momentum2: 0.99 delta: 1e-6 iter_size: 4`);
    assert.deepEqual(
      [adam.rule, adam.momentum, adam.momentum2, adam.delta, adam.iterSize, adam.weightDecay],
      ['adam', 0.8, 0.99, 1e-6, 4, 0],
    );
    assert.equal(rateOf(`${base} solver_type: NESTEROV`).rule, 'nesterov');
    assert.equal(readSolverPrototxt(`net: "n" ${base} random_seed: 1701`, 's').settings.seed, 1701);
    assert.equal(readSolverPrototxt(`net: "n" ${base} random_seed: -1`, 's').settings.seed, undefined);
  });

  for (const { text, message } of [
    { text: 'base_lr: 1', message: /^s:1: solver: expected the field net/ },
    { text: 'net: "n"', message: /lr_policy "fixed" needs the field base_lr/ },
    { text: 'net: "n" base_lr: 1\nclip_gradients: 5', message: /^s:2: solver: clip_gradients is not supported here/ },
    { text: 'net: "n" base_lr: 1\n\ntype: "RMSProp"', message: /^s:3: solver: type "RMSProp" is not supported/ },
    { text: 'net: "n" base_lr: 1 lr_policy: "plateau"', message: /lr_policy "plateau" is not one of fixed, step/ },
    { text: 'net: "n" base_lr: 1 lr_policy: "step" gamma: 0.1', message: /lr_policy "step" needs the field stepsize/ },
    { text: 'net: "n" base_lr: 1 regularization_type: "L1"', message: /regularization_type "L1" is not supported/ },
    { text: 'net: "n" base_lr: "a"', message: /base_lr should be a number, not "a"/ },
    {
      text: 'net: "n" base_lr: 1\niter_size: 0',
      message: /^s:2: .* iter_size should be a whole number of at least 1, not "0"/,
    },
    {
      text: 'net: "n" base_lr: 1 max_iter: 1.5',
      message: /max_iter should be a whole number of at least 0, not "1.5"/,
    },
    {
      text: 'net: "n" base_lr: 1 lr_policy: "step" gamma: 0.1 stepsize: 0',
      message: /stepsize should be a whole number of at least 1/,
    },
    { text: 'net: "n" base_lr: 1 base_lr: 2', message: /base_lr is given 2 times/ },
    { text: 'net: "n" base_lr { }', message: /base_lr should be a value, not a message/ },
    { text: 'net: "n" base_lr: 1 max_itr: 2', message: /max_itr is not supported here/ },
  ]) {
    it(`is refused, with the field named: ${text.replaceAll('\n', ' ')}`, () => {
      assert.throws(() => readSolverPrototxt(text, 's'), isRefused(message));
    });
  }
});

describe("Caffe's train_val.prototxt", () => {
  const model = createModel('caffenet', [67, 67, 3], 1000);

  it("gives a model its layers' multipliers, 1 where it says none", () => {
    const net = readNetPrototxt(caffenetText({ name: 'x', lastParams: 'param { lr_mult: 10 decay_mult: 0.5 }' }), 'n');
    assert.equal(net.model, undefined);
    const { parameters } = withMultipliersOf(net, model);
    const found = parameters
      .filter(({ name }) => /^(conv1|conv2|fc8)/.test(name))
      .map(({ rateMultiplier, decayMultiplier }) => [rateMultiplier, decayMultiplier]);
    assert.deepEqual(found, [
      [1, 1],
      [2, 0],
      [1, 1],
      [2, 0],
      [10, 0.5],
      [1, 1],
    ]);
  });

  it('is refused for a model that has not its layers', () => {
    const net = readNetPrototxt(caffenetText({ name: 'x', numClasses: 10 }), 'n');
    assert.throws(
      () => withMultipliersOf(net, model),
      isRefused(/^n:\d+: net layer: fc8: num_output is 10, caffenet has 1000/),
    );
    const other = createModel('googlenet', [96, 96, 3], 10);
    assert.throws(() => withMultipliersOf(net, other), isRefused(/conv1: googlenet has no layer of that name/));
  });

  it('is read in its old form too', () => {
    const text = `layers { name: "data" type: DATA data_param { source: "s" batch_size: 8 } include: { phase: TRAIN } }
      layers { name: "fc8" type: INNER_PRODUCT blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0
        inner_product_param { num_output: 3 } }`;
    const { layers, settings, source } = readNetPrototxt(text, 'n');
    assert.deepEqual([source, settings.batchSize, settings.mirror], ['s', 8, false]);
    assert.deepEqual(layers[0].multipliers, [
      { rate: 1, decay: 1 },
      { rate: 2, decay: 0 },
    ]);
  });

  for (const { text, message } of [
    { text: 'name: "x"', message: /expected a layer of type "Data" for the phase TRAIN/ },
    { text: 'layer { name: "d" type: "ImageData" }', message: /type "ImageData" are not supported; "Data" is/ },
    { text: caffenetText({ name: 'x', mean: '' }), message: /no mean_file and no mean_value/ },
    {
      text: caffenetText({ name: 'x', mean: 'mean_file: "m" mean_value: 1' }),
      message: /both a mean_file and a mean_value/,
    },
    {
      text: caffenetText({ name: 'x', mean: 'mean_value: 1 force_gray: true' }),
      message: /force_gray is not supported here/,
    },
  ]) {
    it(`is refused when it asks for what is not there: ${String(message)}`, () => {
      assert.throws(() => readNetPrototxt(text, 'n'), isRefused(message));
    });
  }
});
