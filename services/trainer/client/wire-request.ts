/** Stream options as the wire's request. */
import {
  ChannelOrder,
  CropMode,
  EndOfEpoch,
  Layout,
  MeanMode,
  Shuffle,
  WireDtype,
  type Selection,
  type StreamBatchesRequest,
  type Transform as WireTransform,
} from '../../../protos/gen/millrace/v1/batch.js';
import { UsageError } from '../../../lib/core/errors.js';
import type { Transform } from '../../../lib/core/transform.js';
import type { StreamPosition } from './batch.js';
import type { CompleteStreamOptions, SelectionOptions } from './options.js';

const SHUFFLE = { full: Shuffle.FULL, none: Shuffle.NONE, blocks: Shuffle.BLOCKS } as const;
const END_OF_EPOCH = { drop: EndOfEpoch.DROP, pad: EndOfEpoch.PAD, wrap: EndOfEpoch.WRAP } as const;
const CROP_MODE = {
  random: CropMode.RANDOM,
  center: CropMode.CENTER,
  'random-resized': CropMode.RANDOM_RESIZED,
  ten: CropMode.TEN,
} as const;
const MEAN_MODE = {
  image: MeanMode.IMAGE,
  channel: MeanMode.CHANNEL,
  none: MeanMode.NONE,
  values: MeanMode.VALUES,
} as const;
const DTYPE = {
  uint8: WireDtype.UINT8,
  float32: WireDtype.FLOAT32,
  float16: WireDtype.FLOAT16,
  bfloat16: WireDtype.BFLOAT16,
} as const;
const LAYOUT = { NHWC: Layout.NHWC, NCHW: Layout.NCHW } as const;
const CHANNEL_ORDER = { BGR: ChannelOrder.BGR, RGB: ChannelOrder.RGB } as const;

/** Throws UsageError naming the option when it is none of the names, which programs without types may say. */
function named<Name extends string, Value>(values: Readonly<Record<Name, Value>>, name: Name, option: string): Value {
  if (Object.hasOwn(values, name)) return values[name];
  throw new UsageError(option, `${option}: expected one of ${Object.keys(values).join(', ')}, got "${name}"`);
}

/**
 * What is left of a stream from `position` on, for one of its connections. Rank r of w is parts r·k to r·k + k − 1 of w·k equal
 * ones, so k connections that ask as ranks of a world k times as large bring the same batch. `versions` are those that its sources
 * began with. Throws UsageError naming the option.
 */
export function wireRequest(
  options: CompleteStreamOptions,
  position: StreamPosition,
  versions: readonly string[],
  lane: number,
): StreamBatchesRequest {
  const { sources, from, epochs, worldSize, connections, blocks } = options;
  const isOne = sources.length === 1;
  return {
    dataset: isOne ? sources[0].dataset : '',
    split: isOne ? sources[0].split : '',
    version: isOne ? versions[0] : '',
    selection: isOne ? wireSelection(sources[0].selection) : undefined,
    sources: isOne
      ? []
      : sources.map(({ dataset, split, weight = 0, selection }, i) => ({
          dataset,
          split,
          version: versions[i],
          weight,
          selection: wireSelection(selection),
        })),
    seed: options.seed,
    epoch: position.epoch,
    step: position.step,
    numEpochs: epochs === undefined ? 0 : from.epoch + epochs - position.epoch,
    globalBatchSize: options.batchSize * worldSize,
    rank: options.rank * connections + lane,
    worldSize: worldSize * connections,
    shuffle: named(SHUFFLE, options.shuffle, 'shuffle'),
    blockSamples: blocks?.blockSamples ?? 0,
    windowBlocks: blocks?.windowBlocks ?? 0,
    meanDataset: options.meanOf?.dataset ?? '',
    meanSplit: options.meanOf?.split ?? '',
    endOfEpoch: named(END_OF_EPOCH, options.endOfEpoch, 'endOfEpoch'),
    transform: wireTransform(options.transform),
  };
}

function wireSelection(selection: SelectionOptions | undefined): Selection | undefined {
  if (selection === undefined) return undefined;
  const { ids = [], classes = [], balanceClasses = false, classWeights = [] } = selection;
  return { ids: [...ids], classes: [...classes], balanceClasses, classWeights: [...classWeights] };
}

/** Complete, with no preset: server and client then mean the same whatever their versions. */
function wireTransform(transform: Transform): WireTransform {
  return {
    preset: '',
    cropSize: transform.cropSize ?? 0,
    cropMode: named(CROP_MODE, transform.cropMode, 'transform.cropMode'),
    area: transform.area,
    aspectRatio: transform.aspectRatio,
    mirror: transform.mirror,
    colorJitter: transform.colorJitter,
    lighting: transform.lighting,
    mean: named(MEAN_MODE, transform.mean, 'transform.mean'),
    meanValues: transform.mean === 'values' ? [...transform.meanValues] : [],
    scale: transform.scale,
    std: [...transform.std],
    mixing: transform.mixing,
    dtype: named(DTYPE, transform.dtype, 'transform.dtype'),
    layout: named(LAYOUT, transform.layout, 'transform.layout'),
    channelOrder: named(CHANNEL_ORDER, transform.channelOrder, 'transform.channelOrder'),
  };
}
