/**
 * Which samples make the batch at (epoch, step), and which of them a rank takes: pure arithmetic, so that every server and
 * every trainer comes to the same answer and nobody has to keep a cursor.
 */
import { createPermutation, type Permutation } from './permutation.js';

export type Shuffle = 'full' | 'none';

/** `drop` leaves the last, partial batch out; `pad` fills it by repeating; `wrap` lets batches run across epochs (Caffe). */
export type EndOfEpoch = 'drop' | 'pad' | 'wrap';

/** What the sequence of global batches is a function of. */
export interface Order {
  readonly numSamples: number;
  readonly seed: number;
  readonly shuffle: Shuffle;
  readonly endOfEpoch: EndOfEpoch;
  /** Samples of one step over all ranks. */
  readonly globalBatchSize: number;
}

/** The part of each global batch that one trainer takes: the rank-th of worldSize equal parts. */
export interface Slice {
  readonly rank: number;
  readonly worldSize: number;
}

export interface BatchAddress {
  readonly epoch: number;
  readonly step: number;
}

/** The samples of one rank's batch, all arrays `[batchSize]`. */
export interface BatchPlan extends BatchAddress {
  /** Sample ids of `[0, numSamples)`; float64 because ids go up to 2^40. */
  readonly ids: Float64Array;
  /** The epoch that each sample's augmentation is drawn for: with `wrap` the end of a batch belongs to the next one. */
  readonly epochs: Uint32Array;
  /** 0 for padding: the sample was served before in this epoch and does not count. */
  readonly isValid: Uint8Array;
}

/** Plans batches of one order; keeps the permutations of the last two epochs and nothing else. */
export interface BatchPlanner {
  readonly order: Order;
  /** Number of steps in an epoch: the same for each rank. With `wrap` it may differ by one from epoch to epoch. */
  numSteps(epoch: number): number;
  /** Throws RangeError when the step is not in `[0, numSteps(epoch))` or the world does not divide the global batch. */
  plan(address: BatchAddress, slice: Slice): BatchPlan;
}

export function createBatchPlanner(order: Order): BatchPlanner {
  const { numSamples, globalBatchSize, endOfEpoch, shuffle, seed } = order;
  if (!Number.isSafeInteger(globalBatchSize) || globalBatchSize < 1) {
    throw new RangeError(`expected globalBatchSize to be a positive integer, got ${globalBatchSize}`);
  }
  const permutations = new Map<number, Permutation>();

  const permutationOf = (epoch: number): Permutation => {
    let permutation = permutations.get(epoch);
    if (permutation === undefined) {
      permutation = createPermutation({ numSamples, seed, epoch });
      permutations.set(epoch, permutation);
      if (permutations.size > 2) permutations.delete(Math.min(...permutations.keys()));
    }
    return permutation;
  };
  const sampleAt = (epoch: number, position: number): number =>
    shuffle === 'none' ? position : permutationOf(epoch).at(position);

  /** With `wrap`: number of global batches that begin before the epoch does. */
  const firstRunStep = (epoch: number): number => Math.ceil((epoch * numSamples) / globalBatchSize);

  const numSteps = (epoch: number): number => {
    switch (endOfEpoch) {
      case 'drop':
        return Math.floor(numSamples / globalBatchSize);
      case 'pad':
        return Math.ceil(numSamples / globalBatchSize);
      case 'wrap':
        return firstRunStep(epoch + 1) - firstRunStep(epoch);
    }
  };

  const plan = ({ epoch, step }: BatchAddress, { rank, worldSize }: Slice): BatchPlan => {
    if (!Number.isSafeInteger(step) || step < 0 || step >= numSteps(epoch)) {
      throw new RangeError(`expected step to be of [0, ${numSteps(epoch)}) in epoch ${epoch}, got ${step}`);
    }
    if (globalBatchSize % worldSize !== 0 || rank < 0 || rank >= worldSize) {
      throw new RangeError(
        `expected worldSize to divide the global batch of ${globalBatchSize} and rank to be of [0, worldSize), ` +
          `got rank ${rank} of ${worldSize}`,
      );
    }
    const batchSize = globalBatchSize / worldSize;
    const ids = new Float64Array(batchSize);
    const epochs = new Uint32Array(batchSize);
    const isValid = new Uint8Array(batchSize);
    const first =
      (endOfEpoch === 'wrap'
        ? (firstRunStep(epoch) + step) * globalBatchSize - epoch * numSamples
        : step * globalBatchSize) +
      rank * batchSize;
    for (let i = 0; i < batchSize; i++) {
      const past = Math.floor((first + i) / numSamples);
      const sampleEpoch = endOfEpoch === 'wrap' ? epoch + past : epoch;
      ids[i] = sampleAt(sampleEpoch, (first + i) % numSamples);
      epochs[i] = sampleEpoch;
      isValid[i] = past === 0 || endOfEpoch === 'wrap' ? 1 : 0;
    }
    return { epoch, step, ids, epochs, isValid };
  };

  return { order, numSteps, plan };
}
