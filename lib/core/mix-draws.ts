/** Mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019): how a sample is mixed with its partner in the batch. */
import { drawBelow, drawCoin, DrawLane, drawUnit } from './draws.js';
import type { SampleShape } from './tensor.js';
import type { Transform } from './transform.js';

/** Rows `[top, bottom)` and columns `[left, right)` of the picture that comes out. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

export interface MixDraw {
  /** Share of the sample's own label, and without a box of its own picture; a float32. */
  readonly lambda: number;
  /** Cutmix: what is the partner's. */
  readonly box: Box | undefined;
}

/** Index in the batch of a sample's partner. Neighbours, so that ranks need nothing of each other. */
export function partnerOf(index: number): number {
  return index ^ 1;
}

/** Undefined when there is no mixing. `shape` is that of the picture that comes out. */
export function mixOf(
  { mixing }: Pick<Transform, 'mixing'>,
  { height, width }: Pick<SampleShape, 'height' | 'width'>,
  seed: number,
  epoch: number,
  sampleId: number,
): MixDraw | undefined {
  const { mixupAlpha, cutmixAlpha } = mixing;
  if (mixupAlpha === 0 && cutmixAlpha === 0) return undefined;
  const isCutmix = mixupAlpha === 0 || (cutmixAlpha > 0 && drawCoin(seed, epoch, sampleId, DrawLane.mixKind));
  const lambda = drawBeta(isCutmix ? cutmixAlpha : mixupAlpha, seed, epoch, sampleId);
  if (!isCutmix) return { lambda: Math.fround(lambda), box: undefined };
  const side = Math.sqrt(1 - lambda);
  const [boxHeight, boxWidth] = [Math.floor(height * side), Math.floor(width * side)];
  const y = drawBelow(height, seed, epoch, sampleId, DrawLane.boxY) - (boxHeight >> 1);
  const x = drawBelow(width, seed, epoch, sampleId, DrawLane.boxX) - (boxWidth >> 1);
  const box = {
    top: Math.max(0, y),
    left: Math.max(0, x),
    bottom: Math.min(height, y + boxHeight),
    right: Math.min(width, x + boxWidth),
  };
  const area = (box.bottom - box.top) * (box.right - box.left);
  return { lambda: Math.fround(1 - area / (height * width)), box };
}

const MAX_TRIES = 64;

/** Of Beta(alpha, alpha): Jöhnk's method, which up to alpha 2 takes six tries on average at most; 1/2 when none of 64 is taken. */
function drawBeta(alpha: number, seed: number, epoch: number, sampleId: number): number {
  if (alpha === 1) return drawUnit(seed, epoch, sampleId, DrawLane.lambda);
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const lane = DrawLane.lambda + 2 * attempt;
    const x = Math.pow(drawUnit(seed, epoch, sampleId, lane), 1 / alpha);
    const y = Math.pow(drawUnit(seed, epoch, sampleId, lane + 1), 1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
  return 0.5;
}
