/** Stream options as the wire's request. */
import {
  ChannelOrder,
  CropMode,
  EndOfEpoch,
  Layout,
  MeanMode,
  Shuffle,
  WireDtype,
  type StreamBatchesRequest,
} from '../../../protos/gen/millrace/v1/batch.js';
import type { StreamPosition } from './batch.js';
import type { CompleteStreamOptions } from './options.js';

const SHUFFLE = { full: Shuffle.FULL, none: Shuffle.NONE } as const;
const END_OF_EPOCH = { drop: EndOfEpoch.DROP, pad: EndOfEpoch.PAD, wrap: EndOfEpoch.WRAP } as const;
const CROP_MODE = { random: CropMode.RANDOM, center: CropMode.CENTER } as const;
const MEAN_MODE = { image: MeanMode.IMAGE, channel: MeanMode.CHANNEL, none: MeanMode.NONE } as const;
const DTYPE = {
  uint8: WireDtype.UINT8,
  float32: WireDtype.FLOAT32,
  float16: WireDtype.FLOAT16,
  bfloat16: WireDtype.BFLOAT16,
} as const;
const LAYOUT = { NHWC: Layout.NHWC, NCHW: Layout.NCHW } as const;
const CHANNEL_ORDER = { BGR: ChannelOrder.BGR, RGB: ChannelOrder.RGB } as const;

/** The request for what is left of a stream from `position` on. `version` is the one the stream began with. */
export function wireRequest(
  options: CompleteStreamOptions,
  position: StreamPosition,
  version: string,
): StreamBatchesRequest {
  const { transform, from, epochs, worldSize } = options;
  return {
    dataset: options.dataset,
    split: options.split,
    version,
    seed: options.seed,
    epoch: position.epoch,
    step: position.step,
    numEpochs: epochs === undefined ? 0 : from.epoch + epochs - position.epoch,
    globalBatchSize: options.batchSize * worldSize,
    rank: options.rank,
    worldSize,
    shuffle: SHUFFLE[options.shuffle],
    endOfEpoch: END_OF_EPOCH[options.endOfEpoch],
    transform: {
      cropSize: transform.cropSize ?? 0,
      cropMode: CROP_MODE[transform.cropMode],
      mirror: transform.mirror,
      mean: MEAN_MODE[transform.mean],
      scale: transform.scale,
      dtype: DTYPE[transform.dtype],
      layout: LAYOUT[transform.layout],
      channelOrder: CHANNEL_ORDER[transform.channelOrder],
    },
  };
}
