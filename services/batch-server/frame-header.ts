/** What a frame says of its pictures, and the draws that it says it of: all but the pixels and the labels, which are in the records. */
import type { BatchFrame, MixPlan } from '../../protos/gen/millrace/v1/batch.js';
import type { BatchPlan } from '../../lib/core/batch-plan.js';
import { mixOf } from '../../lib/core/mix-draws.js';
import { resizedCropOf } from '../../lib/core/resized-crop.js';
import { shapeInLayout, type SampleShape } from '../../lib/core/tensor.js';
import { croppedShape, windowOf, type Transform } from '../../lib/core/transform.js';
import type { PictureDraw } from '../../lib/pixels/augment/plain-placer.js';

const FLAG_MIRRORED = 1;
const FLAG_PADDING = 2;
const NO_BOX = { top: 0, left: 0, bottom: 0, right: 0 };

/** More than the fields of a frame's header take, and those of one picture (varints, a flag, and a MixPlan). */
export const HEADER_ROOM_BYTES = 256;
export const HEADER_ROOM_BYTES_PER_PICTURE = 96;

/** What the frames of an epoch's last step say besides. */
export interface EndOfEpochMark {
  readonly isLastStep: boolean;
  /** Of the ids served, on the last frame of the last step; else empty. */
  readonly epochDigest: string;
}

export interface FrameDraws {
  /** Labels are zeros, to be filled in; pixels are empty. */
  readonly header: BatchFrame;
  /** One a picture, in order. */
  readonly pictures: readonly PictureDraw[];
}

/** Draws pictures `[begin, end)` of a batch. `stored` is the shape of the split's samples. */
export function drawFrame(
  transform: Transform,
  stored: SampleShape,
  seed: number,
  plan: BatchPlan,
  [begin, end]: readonly [number, number],
  { isLastStep, epochDigest }: EndOfEpochMark,
): FrameDraws {
  const shape = croppedShape(stored, transform);
  const pictures: PictureDraw[] = [];
  const flags = Buffer.alloc(end - begin);
  const mix: MixPlan[] = [];
  for (let i = begin; i < end; i++) {
    const sampleId = plan.ids[i];
    const epoch = plan.epochs[i];
    const window = windowOf(transform, stored, seed, epoch, sampleId, i % plan.numViews);
    pictures.push({ sampleId, epoch, window });
    flags[i - begin] = (window.isMirrored ? FLAG_MIRRORED : 0) | (plan.isValid[i] === 1 ? 0 : FLAG_PADDING);
    const mixDraw = mixOf(transform, shape, seed, epoch, sampleId);
    if (mixDraw !== undefined) mix.push({ lambda: mixDraw.lambda, ...(mixDraw.box ?? NO_BOX) });
  }
  const isResized = transform.cropMode === 'random-resized';
  const crops = pictures.map(({ window, epoch, sampleId }) =>
    isResized ? resizedCropOf(transform, stored, seed, epoch, sampleId) : window,
  );
  const header: BatchFrame = {
    epoch: plan.epoch,
    step: plan.step,
    firstSample: begin,
    batchSize: plan.ids.length,
    isLastStep,
    sampleShape: [...shapeInLayout(shape, transform.layout)],
    ids: pictures.map(({ sampleId }) => sampleId),
    labels: pictures.map(() => 0),
    cropY: crops.map(({ y }) => y),
    cropX: crops.map(({ x }) => x),
    cropHeight: isResized ? crops.map(({ height }) => height) : [],
    cropWidth: isResized ? crops.map(({ width }) => width) : [],
    flags,
    epochDigest,
    mix,
    pixels: Buffer.alloc(0),
  };
  return { header, pictures };
}
