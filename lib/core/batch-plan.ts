/**
 * Which samples make the batch at (epoch, step), and which of them a rank takes: pure arithmetic, so that every server and
 * every trainer comes to the same answer and nobody has to keep a cursor.
 */
import type { BlockShape, Shuffle } from './arrangement.js';
import { createSequence, type Selection } from './selection.js';

/** `drop` leaves the last, partial batch out; `pad` fills it by repeating; `wrap` lets batches run across epochs (Caffe). */
export type EndOfEpoch = 'drop' | 'pad' | 'wrap';

/** What the sequence of global batches is a function of. Plain data. */
export interface Order {
  /** What an epoch goes through: one pass over it. */
  readonly selection: Selection;
  readonly seed: number;
  readonly shuffle: Shuffle;
  /** Used by `blocks` alone. */
  readonly blocks?: BlockShape | undefined;
  readonly endOfEpoch: EndOfEpoch;
  /** Samples of one step over all ranks. */
  readonly globalBatchSize: number;
  /** Pictures that are made of each sample, one after the other in the batch. Default 1. */
  readonly numViews?: number | undefined;
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

/** The pictures of one rank's batch, all arrays `[batchSize · numViews]`: the views of a sample stand side by side. */
export interface BatchPlan extends BatchAddress {
  /** Sample ids, dense over all sources of the stream; float64 because ids go up to 2^40. */
  readonly ids: Float64Array;
  /** What each sample's augmentation is drawn for: the pass over the sample's own list, see {@link Place.epoch}. */
  readonly epochs: Uint32Array;
  /** 0 for padding: the sample was served before in this epoch and does not count. */
  readonly isValid: Uint8Array;
  /** Picture `i` is view `i % numViews` of its sample. */
  readonly numViews: number;
}

/** Plans batches of one order; keeps the permutations of the last passes and nothing else. */
export interface BatchPlanner {
  readonly order: Order;
  /** Positions of an epoch. */
  readonly samplesPerEpoch: number;
  /** Number of steps in an epoch: the same for each rank. With `wrap` it may differ by one from epoch to epoch. */
  numSteps(epoch: number): number;
  /** Throws RangeError when the step is not in `[0, numSteps(epoch))` or the world does not divide the global batch. */
  plan(address: BatchAddress, slice: Slice): BatchPlan;
}

/** Throws RangeError when the order is none: an empty selection, or a global batch that is no positive integer. */
export function createBatchPlanner(order: Order): BatchPlanner {
  const { globalBatchSize, endOfEpoch, numViews = 1 } = order;
  if (!Number.isSafeInteger(globalBatchSize) || globalBatchSize < 1) {
    throw new RangeError(`expected globalBatchSize to be a positive integer, got ${globalBatchSize}`);
  }
  const sequence = createSequence(order.selection, order);
  const numSamples = sequence.length;

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
    const ids = new Float64Array(batchSize * numViews);
    const epochs = new Uint32Array(ids.length);
    const isValid = new Uint8Array(ids.length);
    const first =
      (endOfEpoch === 'wrap'
        ? (firstRunStep(epoch) + step) * globalBatchSize - epoch * numSamples
        : step * globalBatchSize) +
      rank * batchSize;
    for (let i = 0; i < batchSize; i++) {
      const past = Math.floor((first + i) / numSamples);
      const place = sequence.at(endOfEpoch === 'wrap' ? epoch + past : epoch, (first + i) % numSamples);
      for (let view = i * numViews; view < (i + 1) * numViews; view++) {
        ids[view] = place.id;
        epochs[view] = place.epoch;
        isValid[view] = past === 0 || endOfEpoch === 'wrap' ? 1 : 0;
      }
    }
    return { epoch, step, ids, epochs, isValid, numViews };
  };

  return { order, samplesPerEpoch: numSamples, numSteps, plan };
}
