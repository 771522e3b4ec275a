/** The transform of a request: preset and fields resolved, each in range, all of them fit for the split. */
import {
  ChannelOrder,
  CropMode,
  Layout,
  MeanMode,
  WireDtype,
  type Range as WireRange,
  type Transform as WireTransform,
} from '../../protos/gen/millrace/v1/batch.js';
import { completeTransform, type PresetName } from '../../lib/core/presets.js';
import { BYTES_PER_ELEMENT, numElements, type SampleShape } from '../../lib/core/tensor.js';
import { croppedShape, type Range, type Transform } from '../../lib/core/transform.js';
import { check, checkNumber, enumOf } from './check-field.js';

/** Most bytes of one sample on the wire: with its header it stays below gRPC's default limit of 4 MiB. */
export const MAX_SAMPLE_BYTES = 3.5 * (1 << 20);

const CROP_MODE = {
  [CropMode.UNSPECIFIED]: undefined,
  [CropMode.RANDOM]: 'random',
  [CropMode.CENTER]: 'center',
  [CropMode.RANDOM_RESIZED]: 'random-resized',
  [CropMode.TEN]: 'ten',
} as const;

const MEAN_MODE = {
  [MeanMode.UNSPECIFIED]: undefined,
  [MeanMode.IMAGE]: 'image',
  [MeanMode.CHANNEL]: 'channel',
  [MeanMode.NONE]: 'none',
  [MeanMode.VALUES]: 'values',
} as const;

const DTYPE = {
  [WireDtype.UNSPECIFIED]: undefined,
  [WireDtype.UINT8]: 'uint8',
  [WireDtype.FLOAT32]: 'float32',
  [WireDtype.FLOAT16]: 'float16',
  [WireDtype.BFLOAT16]: 'bfloat16',
} as const;

const LAYOUT = { [Layout.UNSPECIFIED]: undefined, [Layout.NHWC]: 'NHWC', [Layout.NCHW]: 'NCHW' } as const;

const CHANNEL_ORDER = {
  [ChannelOrder.UNSPECIFIED]: undefined,
  [ChannelOrder.BGR]: 'BGR',
  [ChannelOrder.RGB]: 'RGB',
} as const;

/** Throws UsageError naming the field. `stored` is the shape of the split's samples. */
export function checkTransform(wire: WireTransform | undefined, stored: SampleShape): Transform {
  if (wire === undefined) return fit(completeTransform({}), stored);
  const transform = completeTransform(
    {
      preset: wire.preset === '' ? undefined : (wire.preset as PresetName),
      cropSize: wire.cropSize,
      cropMode: enumOf(CROP_MODE, wire.cropMode, 'transform.crop_mode'),
      area: rangeOf(wire.area, 'transform.area', Number.MIN_VALUE, 1),
      aspectRatio: rangeOf(wire.aspectRatio, 'transform.aspect_ratio', 1 / 16, 16),
      mirror: wire.mirror,
      colorJitter: wire.colorJitter && {
        brightness: checkNumber(wire.colorJitter.brightness, 'transform.color_jitter.brightness', 0, 2),
        contrast: checkNumber(wire.colorJitter.contrast, 'transform.color_jitter.contrast', 0, 2),
        saturation: checkNumber(wire.colorJitter.saturation, 'transform.color_jitter.saturation', 0, 2),
        hue: checkNumber(wire.colorJitter.hue, 'transform.color_jitter.hue', 0, 0.5),
      },
      lighting: wire.lighting === undefined ? undefined : checkNumber(wire.lighting, 'transform.lighting', 0, 1),
      mean: enumOf(MEAN_MODE, wire.mean, 'transform.mean'),
      meanValues: wire.meanValues.length === 0 ? undefined : wire.meanValues,
      scale: scaleOf(wire.scale),
      std: wire.std.length === 0 ? undefined : wire.std,
      mixing: wire.mixing && {
        mixupAlpha: checkNumber(wire.mixing.mixupAlpha, 'transform.mixing.mixup_alpha', 0, 2),
        cutmixAlpha: checkNumber(wire.mixing.cutmixAlpha, 'transform.mixing.cutmix_alpha', 0, 2),
      },
      dtype: enumOf(DTYPE, wire.dtype, 'transform.dtype'),
      layout: enumOf(LAYOUT, wire.layout, 'transform.layout'),
      channelOrder: enumOf(CHANNEL_ORDER, wire.channelOrder, 'transform.channel_order'),
    },
    'transform.preset',
  );
  check(
    wire.meanValues.length === 0 || transform.mean === 'values',
    'transform.mean_values',
    'none unless transform.mean is MEAN_MODE_VALUES',
    wire.meanValues.join(', '),
  );
  return fit(transform, stored);
}

function rangeOf(wire: WireRange | undefined, field: string, least: number, most: number): Range | undefined {
  if (wire === undefined) return undefined;
  checkNumber(wire.min, `${field}.min`, least, most);
  checkNumber(wire.max, `${field}.max`, wire.min, most);
  return wire;
}

function scaleOf(wire: number | undefined): number | undefined {
  check(wire === undefined || Number.isFinite(wire), 'transform.scale', 'a finite number', wire);
  return wire === 0 ? 1 : wire;
}

/** What goes together, and with samples of this shape. */
function fit(transform: Transform, stored: SampleShape): Transform {
  const { cropSize, cropMode, mean, meanValues, std, colorJitter, lighting } = transform;
  const { height, width, channels } = stored;
  if (cropMode === 'random-resized' || cropMode === 'ten') {
    check(cropSize !== undefined, 'transform.crop_size', 'the side of the crop, which this crop_mode needs', 0);
  }
  if (cropMode === 'random-resized') {
    check(
      mean !== 'image',
      'transform.mean',
      'CHANNEL, VALUES or NONE: a resized crop has no place in the mean image',
      'IMAGE',
    );
  } else {
    const side = Math.min(height, width);
    check((cropSize ?? 0) <= side, 'transform.crop_size', `at most the stored ${height}×${width}`, cropSize);
  }
  if (mean === 'values') checkPerChannel(meanValues, 'transform.mean_values', channels, -1e6);
  if (std.length > 0) checkPerChannel(std, 'transform.std', channels, 1e-6);
  const hasJitter = Object.values(colorJitter).some((reach: number) => reach > 0);
  check(channels === 3 || !hasJitter, 'transform.color_jitter', 'none unless samples have 3 channels', channels);
  check(channels === 3 || lighting === 0, 'transform.lighting', '0 unless samples have 3 channels', lighting);
  const bytes = numElements(croppedShape(stored, transform)) * BYTES_PER_ELEMENT[transform.dtype];
  check(
    bytes <= MAX_SAMPLE_BYTES,
    'transform.crop_size',
    `a sample of at most ${MAX_SAMPLE_BYTES} bytes (crop it smaller, or take a smaller dtype)`,
    `${bytes} bytes`,
  );
  return transform;
}

function checkPerChannel(values: readonly number[], field: string, channels: number, min: number): void {
  check(
    values.length === 1 || values.length === channels,
    field,
    `1 or ${channels} numbers`,
    `${values.length} of them`,
  );
  for (const value of values) checkNumber(value, field, min, 1e6);
}
