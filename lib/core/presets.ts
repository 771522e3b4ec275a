/** Complete transforms by name, and the one place that fills in what a transform leaves out. */
import { UsageError } from './errors.js';
import type { ColorJitter, Transform } from './transform.js';

/** What nothing else says: the sample as stored, its mean image subtracted. */
const DEFAULTS: Transform = {
  cropSize: undefined,
  cropMode: 'random',
  // Of Inception's training (Szegedy et al. 2015), which ResNet's took over.
  area: { min: 0.08, max: 1 },
  aspectRatio: { min: 3 / 4, max: 4 / 3 },
  mirror: false,
  colorJitter: { brightness: 0, contrast: 0, saturation: 0, hue: 0 },
  lighting: 0,
  mean: 'image',
  meanValues: [],
  scale: 1,
  std: [],
  mixing: { mixupAlpha: 0, cutmixAlpha: 0 },
  dtype: 'uint8',
  layout: 'NHWC',
  channelOrder: 'BGR',
};

/** Mean and deviation of ImageNet as torchvision's models expect them (0.485, 0.456, 0.406 and 0.229, 0.224, 0.225), B, G, R. */
const IMAGENET = { mean: 'values', meanValues: [103.53, 116.28, 123.675], std: [57.375, 57.12, 58.395] } as const;

const PRESETS = {
  /** models/bvlc_alexnet and bvlc_reference_caffenet in TRAIN phase. */
  'caffe-alexnet': { cropSize: 227, mirror: true },
  /** models/bvlc_googlenet in TRAIN phase. */
  'caffe-googlenet': { cropSize: 224, mirror: true, mean: 'values', meanValues: [104, 117, 123] },
  resnet: { cropSize: 224, cropMode: 'random-resized', mirror: true, channelOrder: 'RGB', ...IMAGENET },
  eval: { cropSize: 224, cropMode: 'center', channelOrder: 'RGB', ...IMAGENET },
} as const satisfies Record<string, Partial<Transform>>;

export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** The jitter of ResNet's training (fb.resnet.torch), beside a lighting of 0.1. */
export const RESNET_JITTER: ColorJitter = { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0 };
/** The jitter of Inception's training; its brightness is 32 of 255 grey levels. */
export const INCEPTION_JITTER: ColorJitter = { brightness: 0.125, contrast: 0.5, saturation: 0.5, hue: 0.2 };

/** A transform as its users write it: a preset's, where fields that are given go before the preset's own. */
export type TransformOptions = { readonly [Field in keyof Transform]?: Transform[Field] | undefined } & {
  readonly preset?: PresetName | undefined;
};

/**
 * Completes a transform. `cropSize: 0` is the whole sample, also with a preset that crops.
 * Throws UsageError naming `field` when there is no such preset.
 */
export function completeTransform({ preset, ...given }: TransformOptions, field = 'transform.preset'): Transform {
  if (preset !== undefined && !PRESET_NAMES.includes(preset)) {
    throw new UsageError(field, `${field}: expected one of ${PRESET_NAMES.join(', ')}, got "${preset}"`);
  }
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const complete: Transform = { ...DEFAULTS, ...(preset === undefined ? {} : PRESETS[preset]), ...set };
  return complete.cropSize === 0 ? { ...complete, cropSize: undefined } : complete;
}
