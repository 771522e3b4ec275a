/**
 * Augmentation draws keyed by (seed, epoch, sample id): a batch asked for twice, of any server, is the same to the last bit.
 */
import { absorb, absorbInteger, HashTag, mix32 } from './keyed-hash.js';

/** Which draw of a sample; each one is independent of the others. */
export const DrawLane = { mirror: 0, cropY: 1, cropX: 2 } as const;
export type DrawLane = (typeof DrawLane)[keyof typeof DrawLane];

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
