import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { openCheckpointFolder, readCheckpoint } from '../../../../../services/trainer/train/checkpoint-folder.js';
import {
  checkResumable,
  checkSolverState,
  checkWeights,
  decodeCheckpoint,
  encodeCheckpoint,
  type Checkpoint,
  type RunKey,
} from '../../../../../services/trainer/train/checkpoint.js';
import { DEFAULT_SOLVER } from '../../../../../services/trainer/solver/settings.js';
import { initialState } from '../../../../../services/trainer/train/learner.js';
import { decodeTensorFile, encodeTensorFile } from '../../../../../services/trainer/train/safetensors.js';
import { temporaryFolder } from '../../../../fixtures/temporary-folder.js';

const model = createModel('small-convnet', [16, 16, 3], 10);
const key: RunKey = { seed: 2 ** 40, datasetVersion: 'abc', globalBatchSize: 32, rule: 'sgd' };

function checkpointAt(runStep: number): Checkpoint {
  return {
    model: { name: model.name, inputShape: model.inputShape, numClasses: model.numClasses },
    key,
    progress: { runStep, position: { epoch: 3, step: 4 }, firstLoss: 2.302585, lastLoss: runStep / 3 },
    ...initialState(model, DEFAULT_SOLVER, 7),
    annotations: { classes: '["a","b"]' },
  };
}

const hasCode = (code: string, message: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, code);
  assert.match((error as Error).message, message);
  return true;
};

describe('a checkpoint', () => {
  const folder = temporaryFolder();

  it('reads back as what was written', () => {
    const checkpoint = checkpointAt(12);
    assert.deepEqual(decodeCheckpoint(Buffer.concat(encodeCheckpoint(checkpoint)), 'x'), checkpoint);
    const fresh = {
      ...checkpoint,
      progress: { ...checkpoint.progress, firstLoss: undefined, lastLoss: undefined },
      annotations: {},
    };
    assert.deepEqual(decodeCheckpoint(Buffer.concat(encodeCheckpoint(fresh)), 'x'), fresh);
  });

  it('is a safetensors file in which the weights have the names of the parameters', () => {
    const { tensors } = decodeTensorFile(Buffer.concat(encodeCheckpoint(checkpointAt(1))), 'x');
    const names = model.parameters.map(({ name }) => name);
    assert.deepEqual([...tensors.keys()], [...names, ...names.map((name) => `solver.momentum.${name}`)]);
  });

  it('is refused when its metadata is not of this trainer', () => {
    const { tensors, metadata } = decodeTensorFile(Buffer.concat(encodeCheckpoint(checkpointAt(1))), 'x');
    for (const [field, value] of [
      ['format', 'something else'],
      ['inputShape', '16,16'],
      ['runStep', '-1'],
      ['lastLoss', 'low'],
    ]) {
      const bytes = Buffer.concat(encodeTensorFile({ tensors, metadata: { ...metadata, [field]: value } }));
      assert.throws(() => decodeCheckpoint(bytes, 'x'), hasCode('ERR_VERIFICATION', new RegExp(`^x is not.*${field}`)));
    }
  });

  it('is refused when it is a safetensors file of another program', () => {
    for (const [metadata, format] of [
      [{}, 'not said'],
      [{ format: 'pt' }, 'pt'],
    ] as const) {
      const bytes = Buffer.concat(encodeTensorFile({ tensors: new Map(), metadata }));
      const message = new RegExp(`^x is not a checkpoint of this trainer: its format is ${format}; give a step-`);
      assert.throws(() => decodeCheckpoint(bytes, 'x'), hasCode('ERR_VERIFICATION', message));
    }
  });

  it('is refused when its tensors are not the parameters of the model', () => {
    const { weights } = checkpointAt(1);
    checkWeights(model, weights, 'x');
    const without = new Map([...weights].filter(([name]) => name !== 'fc.bias'));
    assert.throws(
      () => checkWeights(model, without, 'x'),
      hasCode('ERR_VERIFICATION', /fc.bias expected .*\[10\], got none/),
    );
    const { solver } = checkpointAt(1);
    checkSolverState(model, 'sgd', solver, 'x');
    assert.throws(
      () => checkSolverState(model, 'adam', solver, 'x'),
      hasCode('ERR_VERIFICATION', /solver adam: for moment1.conv1.weight expected .*, got none/),
    );
    const more = new Map([...weights, ['extra', { shape: [1], data: Float32Array.of(1) }]]);
    assert.throws(
      () => checkWeights(model, more, 'x'),
      hasCode('ERR_VERIFICATION', /extra expected .*none, got \[1\]/),
    );
  });

  it('is gone on from only by a run of the same model, key and data', () => {
    const checkpoint = checkpointAt(1);
    checkResumable(checkpoint, model, key, 'x');
    for (const { other, code, message } of [
      { other: { seed: 1 }, code: 'ERR_OPTIONS_DIFFER', message: /its seed is 1099511627776, this run's is 1/ },
      { other: { rule: 'adam' }, code: 'ERR_OPTIONS_DIFFER', message: /its solver is sgd, this run's is adam/ },
      { other: { globalBatchSize: 64 }, code: 'ERR_OPTIONS_DIFFER', message: /global batch size is 32/ },
      { other: { datasetVersion: 'def' }, code: 'ERR_VERSION_CHANGED', message: /dataset version is abc/ },
    ] as const) {
      assert.throws(() => checkResumable(checkpoint, model, { ...key, ...other }, 'x'), hasCode(code, message));
    }
    const larger = createModel('small-convnet', [56, 56, 3], 10);
    assert.throws(
      () => checkResumable(checkpoint, larger, key, 'x'),
      hasCode('ERR_OPTIONS_DIFFER', /input shape is 16×16×3/),
    );
  });

  it('is kept with as many as were asked for', async () => {
    const path = join(folder.path, 'three');
    const checkpoints = await openCheckpointFolder(path, 3);
    for (const runStep of [1, 2, 3, 4, 5]) await checkpoints.save(checkpointAt(runStep));
    const steps = (await readdir(path)).map((name) => Number(/\d+/.exec(name)![0]));
    assert.deepEqual(steps.sort(), [3, 4, 5]);
  });

  it('is kept with the one before it, and the newest is found', async () => {
    const path = join(folder.path, 'a', 'b');
    const checkpoints = await openCheckpointFolder(path, 2);
    assert.equal(await checkpoints.newest(), undefined);
    for (const runStep of [5, 10, 100_000_000]) await checkpoints.save(checkpointAt(runStep));
    assert.deepEqual((await readdir(path)).sort(), ['step-00000010.safetensors', 'step-100000000.safetensors']);
    const newest = await checkpoints.newest();
    assert.equal(newest, join(path, 'step-100000000.safetensors'));
    assert.deepEqual(await readCheckpoint(newest), checkpointAt(100_000_000));
  });

  it('of a run that began anew takes the place of those that had come further', async () => {
    const path = join(folder.path, 'anew');
    const checkpoints = await openCheckpointFolder(path, 2);
    for (const runStep of [50, 60, 7]) await checkpoints.save(checkpointAt(runStep));
    assert.deepEqual(await readdir(path), ['step-00000007.safetensors']);
  });

  it('that is missing or damaged is named in the error', async () => {
    await assert.rejects(
      readCheckpoint(join(folder.path, 'none')),
      hasCode('ERR_NOT_FOUND', /cannot read the checkpoint .*none: no such file or directory/),
    );
    await assert.rejects(readCheckpoint(folder.path), hasCode('ERR_NOT_FOUND', /illegal operation on a directory/));
    const checkpoints = await openCheckpointFolder(join(folder.path, 'damaged'), 2);
    const path = await checkpoints.save(checkpointAt(1));
    await writeFile(path, (await readFile(path)).subarray(0, 1000));
    await assert.rejects(readCheckpoint(path), hasCode('ERR_VERIFICATION', /step-00000001.safetensors is not a whole/));
    await assert.rejects(openCheckpointFolder(path, 2), hasCode('ERR_DISK', /something else is there/));
  });
});
