/** What a checkpoint says beside its weights, for whoever classifies with it: classes, stored size, mean. */
import { z } from 'zod';
import { MillraceError } from '../lib/core/errors.js';
import type { SampleShape } from '../lib/core/tensor.js';
import type { DatasetInfo } from '../services/trainer/client/client.js';
import type { RunSettings } from '../services/trainer/train/run-settings.js';

const notesSchema = z.object({
  classes: z.array(z.object({ id: z.string(), name: z.string() })),
  /** Shape of a stored sample, before the crop. */
  shape: z.object({ height: z.int(), width: z.int(), channels: z.int() }),
  meanMode: z.enum(['channel', 'image']),
  /** Grey levels, B, G, R. */
  channelMean: z.array(z.number()),
  /** How an image became a sample of that shape. Checkpoints that do not say are of before there was a choice to tell of. */
  preparation: z
    .object({ resize: z.enum(['caffe', 'area']), fit: z.enum(['exact', 'cover']) })
    .default({ resize: 'caffe', fit: 'exact' }),
  /** Factor on the pixels after the mean has gone. */
  scale: z.number(),
});

export type CheckpointNotes = z.output<typeof notesSchema> & { readonly shape: SampleShape };

const NAME = 'millrace';

export function annotate(
  info: DatasetInfo,
  { mean: meanMode, scale }: Pick<RunSettings, 'mean' | 'scale'>,
): Record<string, string> {
  const { classes, shape, mean, preparation } = info;
  const notes: z.input<typeof notesSchema> = {
    classes: [...classes],
    shape,
    meanMode,
    channelMean: [...mean.channels],
    preparation,
    scale,
  };
  return { [NAME]: JSON.stringify(notes) };
}

/** Throws ERR_VERIFICATION naming the checkpoint when it was not made by `millrace train`. */
export function notesOf(annotations: Readonly<Record<string, string>>, path: string): CheckpointNotes {
  const parsed = notesSchema.safeParse(JSON.parse(annotations[NAME] ?? 'null'));
  if (parsed.success) return parsed.data;
  throw new MillraceError(
    'ERR_VERIFICATION',
    `${path} does not say its classes and mean; use a checkpoint of "millrace train"`,
    {
      context: { path },
    },
  );
}
