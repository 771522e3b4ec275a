/**
 * The one hash behind order, draws and digests: 32-bit integer arithmetic only, so that any language gives the same
 * numbers. The law and its test vectors are in `protos/order/`.
 */

/** Bijective mix of 32 bits (the "lowbias32" constants, found by exhaustive search for low bias; public domain). */
export function mix32(x: number): number {
  x ^= x >>> 16;
  x = Math.imul(x, 0x21f0aaad);
  x ^= x >>> 15;
  x = Math.imul(x, 0x735a2d97);
  x ^= x >>> 15;
  return x >>> 0;
}

const GOLDEN = 0x9e3779b9;

/** One step of the chain: takes 32 more bits into a 32-bit state. */
export function absorb(state: number, word: number): number {
  return mix32(((state ^ word) + GOLDEN) | 0);
}

/** Takes an integer of [0, 2^53) into the state, low 32 bits first. */
export function absorbInteger(state: number, value: number): number {
  return absorb(absorb(state, value >>> 0), Math.floor(value / 0x1_0000_0000));
}

/** Takes the UTF-16 units of a text into the state. */
export function absorbText(state: number, text: string): number {
  for (let i = 0; i < text.length; i++) state = absorb(state, text.charCodeAt(i));
  return state;
}

/** First words of the chains, so that no use of the hash can meet another one. */
export const HashTag = {
  permutation: 0x50000000,
  draw: 0x44000000,
  digestLow: 0x1d000000,
  digestHigh: 0x1d000001,
  sampleImage: 0x53000000,
  parameter: 0x57000000,
  seedLow: 0x5e000000,
  seedHigh: 0x5e000001,
  record: 0x52000000,
  dropout: 0x4f000000,
} as const;

/** A seed of `[0, 2^53)` for part `index` of what has this seed, so that no two parts are shuffled alike. */
export function deriveSeed(seed: number, index: number): number {
  const word = (tag: number): number => absorbInteger(absorbInteger(mix32(tag), seed), index);
  return (word(HashTag.seedHigh) >>> 11) * 0x1_0000_0000 + word(HashTag.seedLow);
}
