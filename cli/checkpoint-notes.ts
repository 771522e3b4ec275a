/** What a checkpoint says beside its weights, for whoever classifies with it: classes, stored size, mean. */
import { z } from 'zod';
import { MillraceError } from '../lib/core/errors.js';
import type { SampleShape } from '../lib/core/tensor.js';
import type { Transform } from '../lib/core/transform.js';
import type { DatasetInfo } from '../services/trainer/client/client.js';

const notesSchema = z.object({
  classes: z.array(z.object({ id: z.string(), name: z.string() })),
  /** Shape of a stored sample, before the crop. */
  shape: z.object({ height: z.int(), width: z.int(), channels: z.int() }),
  /** What is done to pixels before the model sees them. */
  transform: z.object({
    mean: z.enum(['channel', 'image', 'values', 'none']),
    meanValues: z.array(z.number()),
    scale: z.number(),
    std: z.array(z.number()),
    channelOrder: z.enum(['BGR', 'RGB']),
  }),
  /** Grey levels, B, G, R. */
  channelMean: z.array(z.number()),
});

export type CheckpointNotes = z.output<typeof notesSchema> & { readonly shape: SampleShape };

const NAME = 'millrace';

export function annotate(info: DatasetInfo, transform: Transform): Record<string, string> {
  const { classes, shape, mean } = info;
  const { mean: meanMode, meanValues, scale, std, channelOrder } = transform;
  const notes: CheckpointNotes = {
    classes: [...classes],
    shape,
    transform: { mean: meanMode, meanValues: [...meanValues], scale, std: [...std], channelOrder },
    channelMean: [...mean.channels],
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
