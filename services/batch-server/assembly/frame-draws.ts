/** What is drawn for the pictures of a frame, and what the frame says of it. Pure. */
import type { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';
import type { CropWindow } from '../../../lib/core/crop.js';
import { mixOf } from '../../../lib/core/mix-draws.js';
import { resizedCropOf } from '../../../lib/core/resized-crop.js';
import { shapeInLayout } from '../../../lib/core/tensor.js';
import { croppedShape, numViewsOf, windowOf } from '../../../lib/core/transform.js';
import type { FrameRequest, Recipe } from './messages.js';

const FLAG_MIRRORED = 1;
const FLAG_PADDING = 2;
const NO_BOX = { top: 0, left: 0, bottom: 0, right: 0 };

/** Where each picture of a frame is cropped, in its sample's `sourceShape`. */
export function drawWindows({ transform, stored, seed }: Recipe, request: FrameRequest): CropWindow[] {
  const { ids, epochs, firstSample } = request;
  const numViews = numViewsOf(transform);
  return ids.map((id, i) => windowOf(transform, stored, seed, epochs[i], id, (firstSample + i) % numViews));
}

/** The frame's header. `windows` are those of {@link drawWindows}; labels are the records'. */
export function headerOf(
  { transform, stored, seed }: Recipe,
  request: FrameRequest,
  windows: readonly CropWindow[],
  labels: number[],
): Omit<BatchFrame, 'pixels'> {
  const { epoch, step, firstSample, batchSize, isLastStep, epochDigest, ids, epochs, isValid } = request;
  const shape = croppedShape(stored, transform);
  const isResized = transform.cropMode === 'random-resized';
  const crops = windows.map((window, i) =>
    isResized ? resizedCropOf(transform, stored, seed, epochs[i], ids[i]) : window,
  );
  return {
    ...{ epoch, step, firstSample, batchSize, isLastStep, epochDigest, labels },
    sampleShape: [...shapeInLayout(shape, transform.layout)],
    ids: [...ids],
    cropY: crops.map(({ y }) => y),
    cropX: crops.map(({ x }) => x),
    cropHeight: isResized ? crops.map(({ height }) => height) : [],
    cropWidth: isResized ? crops.map(({ width }) => width) : [],
    flags: Buffer.from(
      windows.map(({ isMirrored }, i) => (isMirrored ? FLAG_MIRRORED : 0) | (isValid[i] === 1 ? 0 : FLAG_PADDING)),
    ),
    mix: ids.flatMap((id, i) => {
      const draw = mixOf(transform, shape, seed, epochs[i], id);
      return draw === undefined ? [] : [{ ownShare: draw.lambda, ...(draw.box ?? NO_BOX) }];
    }),
  };
}
