import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { CropMode, MeanMode, WireDtype } from '../../protos/gen/millrace/v1/batch.js';
import type { BatchServer } from '../../services/batch-server/server.js';
import { refusalOf, startBatchServer, type RequestChange } from '../fixtures/batch-server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const SHAPE = { height: 12, width: 10, channels: 3 };
const NUM_SAMPLES = 37;

/** A number that no enum of the wire has. */
const NO_ENUM = 99 as never;

/** As a uint64 it goes over the wire. */
const TOO_LARGE = 2 ** 60;

type Case<Change> = readonly [field: string, what: string, change: Change];

/** Sources of the fixture, but for what is said. */
const SOURCE_CASES: readonly Case<RequestChange['sources']>[] = [
  ['sources[1].weight', 'in some alone', [{ weight: 2 }, { weight: 0 }]],
  ['sources[0].weight', 'huge', [{ weight: 2 ** 32 - 1 }, { weight: 1 }]],
  ['sources[1].split', 'of another shape', [{}, { dataset: 'other' }]],
  ['sources[1].selection.ids', 'past the end', [{}, { selection: { ids: [99] } }]],
  ['sources', 'too many', Array.from({ length: 65 }, () => ({}))],
];

const TRANSFORM_CASES: readonly Case<RequestChange['transform']>[] = [
  ['preset', 'unknown', { preset: 'alexnet' }],
  ['crop_size', 'larger than the image', { cropSize: 11 }],
  ['crop_size', 'huge', { cropSize: 2 ** 32 - 1 }],
  ['crop_size', 'larger than the image, by a preset', { preset: 'caffe-alexnet' }],
  ['crop_size', 'huge, resized', { cropSize: 2 ** 32 - 1, cropMode: CropMode.RANDOM_RESIZED, mean: MeanMode.NONE }],
  ['crop_size', 'none, resized', { cropMode: CropMode.RANDOM_RESIZED, mean: MeanMode.NONE }],
  ['crop_size', 'none of ten', { cropMode: CropMode.TEN }],
  ['crop_mode', 'a number that is none', { cropMode: NO_ENUM }],
  ['mean', 'a number that is none', { mean: NO_ENUM }],
  ['mean', 'an image for a resized crop', { cropSize: 8, cropMode: CropMode.RANDOM_RESIZED, mean: MeanMode.IMAGE }],
  ['mean_values', 'missing', { mean: MeanMode.VALUES }],
  ['mean_values', 'too many', { mean: MeanMode.VALUES, meanValues: [1, 2] }],
  ['mean_values', 'not a number', { mean: MeanMode.VALUES, meanValues: [NaN] }],
  ['mean_values', 'with another mean', { mean: MeanMode.CHANNEL, meanValues: [1] }],
  ['std', 'not a number', { std: [1, NaN, 1] }],
  ['std', 'zero', { std: [0] }],
  ['std', 'negative', { std: [-1] }],
  ['std', 'infinite', { std: [Infinity] }],
  ['std', 'too many', { std: [1, 1, 1, 1] }],
  ['scale', 'not a number', { scale: NaN }],
  ['scale', 'infinite', { scale: Infinity }],
  ['area.min', 'nothing', { area: { min: 0, max: 1 } }],
  ['area.max', 'more than all', { area: { min: 0.5, max: 1.5 } }],
  ['area.max', 'below the least', { area: { min: 0.5, max: 0.25 } }],
  ['area.min', 'not a number', { area: { min: NaN, max: 1 } }],
  ['aspect_ratio.min', 'nothing', { aspectRatio: { min: 0, max: 1 } }],
  ['aspect_ratio.max', 'infinite', { aspectRatio: { min: 1, max: Infinity } }],
  ['color_jitter.brightness', 'not a number', { colorJitter: { brightness: NaN } }],
  ['color_jitter.contrast', 'negative', { colorJitter: { contrast: -1 } }],
  ['color_jitter.saturation', 'huge', { colorJitter: { saturation: 1e30 } }],
  ['color_jitter.hue', 'more than a half turn', { colorJitter: { hue: 0.75 } }],
  ['lighting', 'not a number', { lighting: NaN }],
  ['lighting', 'huge', { lighting: 1e9 }],
  ['mixing.mixup_alpha', 'not a number', { mixing: { mixupAlpha: NaN } }],
  ['mixing.cutmix_alpha', 'huge', { mixing: { cutmixAlpha: 99 } }],
  ['mixing', 'of ten crops', { cropSize: 8, cropMode: CropMode.TEN, mixing: { mixupAlpha: 1 } }],
  ['dtype', 'a number that is none', { dtype: NO_ENUM }],
  ['layout', 'a number that is none', { layout: NO_ENUM }],
  ['channel_order', 'a number that is none', { channelOrder: NO_ENUM }],
];

/** Each with the field that the answer must name. */
const CASES: readonly Case<RequestChange>[] = [
  ['global_batch_size', 'none', { globalBatchSize: 0 }],
  ['global_batch_size', 'huge', { globalBatchSize: 2 ** 32 - 1 }],
  ['global_batch_size', 'more than the split, with drop', { globalBatchSize: NUM_SAMPLES + 1 }],
  ['world_size', 'no divisor', { worldSize: 3 }],
  ['world_size', 'huge', { worldSize: 2 ** 32 - 1 }],
  ['rank', 'outside its world', { rank: 1 }],
  ['rank', 'huge', { rank: 2 ** 32 - 1 }],
  ['epoch', 'huge', { epoch: 2 ** 32 - 1 }],
  ['seed', 'no number of JavaScript', { seed: TOO_LARGE }],
  ['step', 'no number of JavaScript', { step: TOO_LARGE }],
  ['selection.ids', 'no number of JavaScript', { selection: { ids: [1, TOO_LARGE] } }],
  ['shuffle', 'a number that is none', { shuffle: NO_ENUM }],
  ['end_of_epoch', 'a number that is none', { endOfEpoch: NO_ENUM }],
  ['block_samples', 'huge', { blockSamples: 2 ** 32 - 1 }],
  ['window_blocks', 'huge', { windowBlocks: 2 ** 32 - 1 }],
  ['mean_split', 'of other samples', { meanDataset: 'other', meanSplit: 'train' }],

  ['selection.ids', 'past the end', { selection: { ids: [0, NUM_SAMPLES] } }],
  ['selection.ids', 'one twice', { selection: { ids: [3, 1, 3] } }],
  ['selection.ids', 'beside classes', { selection: { ids: [3], classes: [1] } }],
  ['selection.classes', 'one that no sample has', { selection: { classes: [3, 77] } }],
  ['selection.classes', 'one twice', { selection: { classes: [3, 3] } }],
  ['selection.class_weights', 'too few', { selection: { classes: [1, 2], classWeights: [1] } }],
  ['selection.class_weights', 'without classes', { selection: { classWeights: [1] } }],
  ['selection.class_weights', 'of nothing', { selection: { classes: [1, 2], classWeights: [1, 0] } }],
  ['selection.class_weights', 'huge', { selection: { classes: [1, 2], classWeights: [1, 2 ** 32 - 1] } }],
  [
    'selection.class_weights',
    'beside balance',
    { selection: { classes: [1], classWeights: [1], balanceClasses: true } },
  ],

  ['dataset', 'beside sources', { sources: [{ dataset: 'fixture', split: 'train' }] }],
  ...SOURCE_CASES.map(([field, what, sources = []]) => {
    const named = sources.map((source) => ({ dataset: 'fixture', split: 'train', ...source }));
    return [field, what, { dataset: '', split: '', sources: named }] as const;
  }),
  ...TRANSFORM_CASES.map(([field, what, transform]) => [`transform.${field}`, what, { transform }] as const),
  ['global_batch_size', 'odd, to be mixed in pairs', { transform: { mixing: { mixupAlpha: 1 } } }],
  [
    'global_batch_size',
    'huge, of ten crops',
    { globalBatchSize: 2 ** 20, transform: { cropSize: 8, cropMode: CropMode.TEN } },
  ],
];

describe('a request that is wrong', () => {
  const folder = temporaryFolder();
  let server: BatchServer;

  before(async () => {
    const fixture = { dataset: 'fixture', split: 'train', numSamples: NUM_SAMPLES, shape: SHAPE, shardSamples: 20 };
    await makeSplit(folder.path, fixture);
    await makeSplit(folder.path, { ...fixture, dataset: 'other', shape: { ...SHAPE, width: 12 } });
    server = await startBatchServer(folder.path);
  });
  after(() => server.destroy());

  for (const [field, what, change] of CASES) {
    it(`in ${field} (${what}) is refused, and the field is named`, async () => {
      const error = await refusalOf(server, {
        dataset: 'fixture',
        split: 'train',
        globalBatchSize: 5,
        ...change,
      });
      assert.equal(error.code, status.INVALID_ARGUMENT, error.message);
      assert.ok(error.details.startsWith(`${field}: `), error.details);
      assert.match(error.details, /expected .+, got /s);
    });
  }

  for (const [what, change, code, message] of [
    ['a dataset that there is not', { dataset: 'nope' }, status.NOT_FOUND, /no split "train" of a dataset "nope"/],
    ['a dataset named by a path', { dataset: '../fixture' }, status.NOT_FOUND, /no split/],
    ['a step past the end', { step: 8 }, status.OUT_OF_RANGE, /^step: expected at most 7/],
    ['another version', { version: 'f00' }, status.FAILED_PRECONDITION, /^version: the stream began on f00/],
  ] as const) {
    it(`for ${what} is refused, saying so`, async () => {
      const request: RequestChange = { dataset: 'fixture', split: 'train', globalBatchSize: 5 };
      const error = await refusalOf(server, { ...request, ...change });
      assert.equal(error.code, code, error.message);
      assert.match(error.details, message);
    });
  }

  it('of many kinds at once costs no memory worth the name, and leaves no stream open', async () => {
    const before = process.memoryUsage();
    const requests = Array.from({ length: 200 }, (_, i) =>
      refusalOf(server, {
        dataset: 'fixture',
        split: 'train',
        globalBatchSize: 2 ** 20,
        transform: {
          cropSize: 1000 + i,
          cropMode: CropMode.RANDOM_RESIZED,
          mean: MeanMode.NONE,
          dtype: WireDtype.FLOAT32,
        },
      }),
    );
    for (const error of await Promise.all(requests)) assert.equal(error.code, status.INVALID_ARGUMENT);
    // One picture would be 12 MB, one batch 12 TB.
    const { arrayBuffers } = process.memoryUsage();
    assert.ok(arrayBuffers - before.arrayBuffers < 64 << 20, `${arrayBuffers - before.arrayBuffers} bytes more`);
    const metrics = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    assert.match(metrics, /^millrace_serve_streams_active 0$/m);
  });
});
