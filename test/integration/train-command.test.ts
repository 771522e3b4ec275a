/** `millrace train` and `millrace classify` as their users run them, on small data. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '../../lib/platform/logger.js';
import { encodeBlobProto } from '../../lib/shards/blob-proto.js';
import { splitFolder } from '../../lib/platform/root-layout.js';
import { encodeJpeg } from '../../lib/pixels/encode.js';
import { writeManifest } from '../../lib/shards/manifest.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { weightsOf } from '../../services/trainer/caffe/caffe-weights.js';
import { createModel } from '../../services/trainer/models/catalog.js';
import { readCheckpoint } from '../../services/trainer/train/checkpoint-folder.js';
import { encodeCaffemodel, noiseLayers } from '../fixtures/caffemodel.js';
import { lastJsonLine, millrace } from '../fixtures/cli.js';
import { fixturePixels, makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface Guess {
  readonly label: number;
  readonly probability: number;
  readonly name: string;
}

describe('the commands train and classify', () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);

  it("train by Caffe's files: data, batch, crop and solver from there, and flags over them", async () => {
    const shape = { height: 24, width: 24, channels: 3 };
    for (const split of ['train', 'val']) {
      await makeSplit(folder.path, { dataset: 'noise', split, numSamples: 40, shape, shardSamples: 40 });
    }
    const server = BatchServer.create({ root: folder.path, port: 0 }, createLogger('test', 'silent'));
    await server.start();
    const data = (phase: string, batch: number): string => `layer {
      name: "data" type: "Data" include { phase: ${phase} }
      transform_param { crop_size: 18 mean_value: 110 mirror: true }
      data_param { source: "${at('datasets/noise/train')}" batch_size: ${batch} backend: LMDB }
    }`;
    mkdirSync(at('caffe'));
    writeFileSync(
      at('caffe/net.prototxt'),
      `name: "Small-Convnet" ${data('TRAIN', 6)} ${data('TEST', 20)}
      layer { name: "conv1" type: "Convolution" convolution_param { num_output: 16 } }`,
    );
    writeFileSync(
      at('caffe/solver.prototxt'),
      `net: "models/x/net.prototxt" base_lr: 0.01 lr_policy: "poly" power: 1 max_iter: 100 momentum: 0.9
      display: 1 test_interval: 2 snapshot: 2 type: "Nesterov" solver_mode: GPU`,
    );
    const args = ['train', '--solver', at('caffe/solver.prototxt'), '--server', server.address, '--root', folder.path];
    const outcome = await millrace([...args, '--steps', '4', '--json']);
    await server.destroy();
    assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
    const lines = outcome.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const result = lines.at(-1)!;
    assert.deepEqual([result['event'], result['steps'], result['batchSize']], ['result', 4, 6]);
    const rates = lines.filter(({ event }) => event === 'step').map(({ learningRate }) => learningRate);
    assert.deepEqual(rates, [0.01, 0.0075, 0.005, 0.0025]);
    assert.deepEqual(
      lines.filter(({ event }) => event === 'test').map(({ runStep }) => runStep),
      [2, 4],
    );
    assert.match(outcome.stdout, /solver_mode changes nothing/);
    assert.equal(readFileSync(String(result['log']), 'utf8').trimEnd().split('\n').length, 7);
  });

  it('train begins with given weights and a named preset, and goes on with the same ones alone', async () => {
    const shape = { height: 24, width: 24, channels: 3 };
    for (const split of ['train', 'val']) {
      await makeSplit(at('tuned'), { dataset: 'noise', split, numSamples: 40, shape, shardSamples: 40 });
    }
    const server = BatchServer.create({ root: at('tuned'), port: 0 }, createLogger('test', 'silent'));
    await server.start();
    // Of more classes than the data has.
    const trained = createModel('small-convnet', [18, 18, 3], 1234);
    const layers = noiseLayers(trained);
    for (const name of ['a', 'b']) {
      writeFileSync(at(`${name}.caffemodel`), encodeCaffemodel(name === 'a' ? layers : noiseLayers(trained, 1), 'v2'));
    }
    const run = async (snapshots: string, weights: string, ...flags: string[]): Promise<Record<string, unknown>[]> => {
      const args = [
        '--server',
        server.address,
        '--root',
        at('tuned'),
        '--snapshots',
        at(snapshots),
        '--weights',
        weights,
      ];
      const settings = ['--preset', 'resnet-18', '--batch-size', '8', '--crop', '18', '--learning-rate', '1e-9'];
      const outcome = await millrace(['train', 'noise', ...args, ...settings, ...flags, '--backend', 'wasm', '--json']);
      return outcome.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const startOf = (lines: Record<string, unknown>[]): unknown =>
      lines.find(({ event }) => event === 'weights')?.['filled'];

    const first = await run('first', at('a.caffemodel'), '--steps', '1');
    assert.deepEqual(startOf(first), ['fc.weight', 'fc.bias']);
    const checkpoint = String(first.at(-1)!['checkpoint']);
    const { weights, key } = await readCheckpoint(checkpoint);
    const expected = weightsOf(trained, layers, 'a.caffemodel');
    for (const name of ['conv1.weight', 'conv3.bias']) {
      const [got, given] = [weights.get(name)!.data, expected.get(name)!.data];
      assert.ok(
        got.every((value, i) => Math.abs(value - given[i]) < 1e-5),
        `${name} is not that of the file`,
      );
    }
    assert.match(key.weightsFrom ?? '', /^[0-9a-f]{64}$/);

    const further = await run('first', at('a.caffemodel'), '--steps', '2');
    assert.deepEqual([further.at(-1)!['event'], further.at(-1)!['steps']], ['result', 2]);
    const other = await run('first', at('b.caffemodel'), '--steps', '3');
    assert.equal(other.at(-1)!['code'], 'ERR_OPTIONS_DIFFER');

    const again = await run('second', checkpoint, '--steps', '1', '--display-every', '1');
    assert.deepEqual(startOf(again), []);
    const step = again.find(({ event }) => event === 'step')!;
    assert.ok(Number(step['learningRate']) < 1e-12, 'the preset warms up over 25,020 steps');

    writeFileSync(at('torn.safetensors'), readFileSync(checkpoint).subarray(0, 5_000));
    for (const [path, code] of [
      [at('torn.safetensors'), 'ERR_VERIFICATION'],
      [at('absent.caffemodel'), 'ERR_NOT_FOUND'],
      [at('weights.bin'), 'ERR_USAGE'],
    ]) {
      assert.equal((await run('third', path, '--steps', '1')).at(-1)!['code'], code);
    }
    await server.destroy();
  });

  it('train says before it begins what it could not be tested on', async () => {
    const shape = { height: 24, width: 24, channels: 3 };
    /** With these labels' classes alone. */
    const make = async (dataset: string, split: string, firstClass: number): Promise<void> => {
      const manifest = await makeSplit(at('odd'), { dataset, split, numSamples: 20, shape, shardSamples: 20 });
      const classes = manifest.classes.slice(firstClass);
      await writeManifest(splitFolder(at('odd'), dataset, split), { ...manifest, classes });
    };
    await make('untested', 'train', 0);
    await make('shifted', 'train', 0);
    await make('shifted', 'val', 1);
    await make('nameless', 'train', 10);
    const server = BatchServer.create({ root: at('odd'), port: 0 }, createLogger('test', 'silent'));
    await server.start();
    try {
      for (const [dataset, code, message] of [
        ['untested', 1, /no split "val" of a dataset "untested"/],
        ['shifted', 3, /--test-split: label 0 is class c0 in shifted\/train and c1 in shifted\/val; /],
        ['nameless', 1, /nameless\/train has no classes to learn; let its dataset name them in "classes"/],
      ] as const) {
        const outcome = await millrace(['train', dataset, '--server', server.address, '--root', at('odd')]);
        assert.deepEqual([outcome.code, outcome.stdout], [code, ''], outcome.stderr);
        assert.match(outcome.stderr, message);
      }
    } finally {
      await server.destroy();
    }
  });

  it('train says what is missing when there is neither a dataset nor a solver', async () => {
    const outcome = await millrace(['train']);
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /<dataset>: name the dataset to train on, or give --solver/);
  });

  it("classify with a caffemodel's weights and the synsets' words, by the middle or by ten crops", async () => {
    const numClasses = 12;
    const words = Array.from({ length: numClasses }, (_, label) => `n${label} word ${label}, other word ${label}`);
    writeFileSync(at('synset_words.txt'), `${words.join('\n')}\n`);
    const model = createModel('googlenet', [224, 224, 3], numClasses);
    const layers = noiseLayers(model).filter(({ name }) => !/^loss[12]/.test(name));
    writeFileSync(at('net.caffemodel'), encodeCaffemodel(layers, 'v1'));
    const image = {
      data: fixturePixels({ height: 40, width: 50, channels: 3 }, 1),
      width: 50,
      height: 40,
      channels: 3 as const,
    };
    writeFileSync(at('picture.jpg'), await encodeJpeg({ ...image, quality: 90 }));

    const args = ['classify', at('picture.jpg'), '--caffemodel', at('net.caffemodel'), '--json'];
    const complete = [...args, '--model', 'googlenet', '--synset-words', at('synset_words.txt')];
    const guessesOf = async (...flags: string[]): Promise<Guess[]> => {
      const outcome = await millrace([...complete, ...flags]);
      assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout);
      const [{ guesses }] = lastJsonLine(outcome)['images'] as [{ guesses: Guess[] }];
      return guesses;
    };
    const [middle, ten] = [await guessesOf(), await guessesOf('--ten-crop')];
    for (const guesses of [middle, ten]) {
      assert.equal(guesses.length, 5);
      for (const { label, name } of guesses) assert.equal(name, `word ${label}, other word ${label}`);
    }
    assert.notDeepEqual(middle, ten);
    const shape = { height: 8, width: 8, channels: 3 };
    writeFileSync(at('small.binaryproto'), encodeBlobProto({ shape, data: new Float32Array(8 * 8 * 3) }));
    const small = await millrace([...complete, '--mean-file', at('small.binaryproto')]);
    assert.equal(small.code, 3);
    assert.match(small.stdout, /small.binaryproto: .* it is 3×8×8, its pictures are 3×256×256/);

    assert.match((await millrace(args)).stdout, /--model: say which of caffenet, alexnet, googlenet it is/);
    const wrong = await millrace([...args, '--model', 'alexnet', '--synset-words', at('synset_words.txt')]);
    assert.equal(wrong.code, 3);
    assert.match(wrong.stdout, /does not fit model alexnet: for conv1.weight expected a blob/);
  });
});
