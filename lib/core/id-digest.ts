/**
 * An order-free digest of a set of sample ids (with multiplicity): server and trainer both keep one and compare at the end of
 * an epoch, so that a sample lost or served twice is noticed.
 */
import { absorbInteger, HashTag, mix32 } from './keyed-hash.js';

export interface IdDigest {
  /** Ids added so far. */
  readonly count: number;
  add(sampleId: number): void;
  /** 16 hex digits: two sums modulo 2^32 of two hashes of the ids. */
  hex(): string;
  reset(): void;
}

export function createIdDigest(): IdDigest {
  const lowSeed = mix32(HashTag.digestLow);
  const highSeed = mix32(HashTag.digestHigh);
  let count = 0;
  let low = 0;
  let high = 0;
  return {
    get count() {
      return count;
    },
    add(sampleId) {
      count++;
      low = (low + absorbInteger(lowSeed, sampleId)) >>> 0;
      high = (high + absorbInteger(highSeed, sampleId)) >>> 0;
    },
    hex: () => high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0'),
    reset() {
      count = low = high = 0;
    },
  };
}
