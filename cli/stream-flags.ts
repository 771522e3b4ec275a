/** Flags for the order, the augmentation and the connections of a training stream. */
import type { Command } from 'commander';
import { z } from 'zod';
import type { TransformOptions } from '../lib/core/presets.js';
import type { StreamOptions } from '../services/trainer/client/client.js';
import { integerFlag, numberFlag } from './command.js';
import { readIds } from './id-file.js';

export const streamFlagsSchema = z.object({
  shuffle: z.enum(['full', 'blocks', 'none']).default('full'),
  classes: z.array(integerFlag(0)).optional(),
  balanceClasses: z.boolean().default(false),
  ids: z.string().min(1).optional(),
  cropMode: z.enum(['random', 'random-resized']).default('random'),
  colorJitter: numberFlag(0, 1).default(0),
  lighting: numberFlag(0, 1).default(0),
  mixup: numberFlag(0, 2).default(0),
  cutmix: numberFlag(0, 2).default(0),
  connections: integerFlag(1).default(1),
});

export type StreamFlags = z.output<typeof streamFlagsSchema>;

export function addStreamFlags(command: Command): Command {
  return command
    .option('--shuffle <how>', 'full (default), blocks (for disks that seek slowly) or none')
    .option('--classes <label...>', 'learn and test these labels only')
    .option('--balance-classes', 'take every class equally often')
    .option('--ids <file>', 'learn these sample ids only, one a line')
    .option('--crop-mode <how>', 'random (default) or random-resized')
    .option('--color-jitter <strength>', 'brightness, contrast and saturation, each by a factor of up to 1 ± this')
    .option('--lighting <deviation>', "along the principal components of ImageNet's colors; AlexNet: 0.1")
    .option('--mixup <alpha>', 'mix pairs of images and their labels by Beta(alpha, alpha)')
    .option('--cutmix <alpha>', 'paste a part of each image into its partner; with --mixup the one or the other')
    .option('--connections <count>', 'TCP connections that share each batch, for servers far away (default: 1)');
}

/** What is drawn for each sample, beside its mirroring. */
export function augmentationOf(flags: StreamFlags): TransformOptions {
  const { cropMode, colorJitter: reach, lighting, mixup, cutmix } = flags;
  return {
    cropMode,
    colorJitter: { brightness: reach, contrast: reach, saturation: reach, hue: 0 },
    lighting,
    mixing: { mixupAlpha: mixup, cutmixAlpha: cutmix },
  };
}

/** What the stream goes through. Throws UsageError when the file of `--ids` holds none. */
export async function orderOf(flags: StreamFlags): Promise<Pick<StreamOptions, 'shuffle' | 'selection'>> {
  const { shuffle, classes, balanceClasses, ids } = flags;
  const listed = ids === undefined ? undefined : await readIds('--ids', ids);
  return { shuffle, selection: { classes, balanceClasses, ids: listed } };
}
