/**
 * Augmentation draws keyed by (seed, epoch, sample id): a batch asked for twice, of any server, is the same to the last bit.
 */
import { absorb, absorbInteger, HashTag, mix32 } from './keyed-hash.js';

/** Which draw of a sample; each one is independent of the others. Families count up from their first lane. */
export const DrawLane = {
  mirror: 0,
  cropY: 1,
  cropX: 2,
  brightness: 3,
  contrast: 4,
  saturation: 5,
  hue: 6,
  colorOrder: 7,
  mixKind: 8,
  boxY: 9,
  boxX: 10,
  /** Six words for each of the three principal components. */
  lighting: 16,
  /** Four for each of ten tries: area, aspect ratio, y, x. */
  resizedCrop: 64,
  /** Two for each of 64 tries. */
  lambda: 128,
} as const;
export type DrawLane = number;

/** A uniform integer of `[0, 2^32)`. */
export function draw32(seed: number, epoch: number, sampleId: number, lane: DrawLane): number {
  return absorbInteger(absorb(absorbInteger(mix32(HashTag.draw + lane), seed), epoch), sampleId);
}

/** A uniform integer of `[0, bound)`, `bound` up to 2^20, by multiplying and shifting. */
export function drawBelow(bound: number, seed: number, epoch: number, sampleId: number, lane: DrawLane): number {
  return Math.floor((draw32(seed, epoch, sampleId, lane) * bound) / 0x1_0000_0000);
}

/** True for one half of the draws. */
export function drawCoin(seed: number, epoch: number, sampleId: number, lane: DrawLane): boolean {
  return draw32(seed, epoch, sampleId, lane) >= 0x8000_0000;
}

/** A uniform number of `(0, 1)`, never an end. */
export function drawUnit(seed: number, epoch: number, sampleId: number, lane: DrawLane): number {
  return (draw32(seed, epoch, sampleId, lane) + 0.5) / 0x1_0000_0000;
}

/**
 * A draw that is all but normal, of mean 0 and deviation 1: twelve uniform 16-bit numbers of six lanes, summed. Integers up to the
 * one division, so that every language has the same; within 6 of 0.
 */
export function drawNormal(seed: number, epoch: number, sampleId: number, firstLane: DrawLane): number {
  let sum = 0;
  for (let lane = firstLane; lane < firstLane + 6; lane++) {
    const word = draw32(seed, epoch, sampleId, lane);
    sum += (word >>> 16) + (word & 0xffff);
  }
  return (sum - 6 * 0xffff) / 0x1_0000;
}
