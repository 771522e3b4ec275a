import { createBatchPlanner, type EndOfEpoch } from '../../../../lib/core/batch-plan.js';
import { allSamples } from '../../../../lib/core/selection.js';
import { absorb, mix32 } from '../../../../lib/core/keyed-hash.js';
import type { Batch, StreamPosition } from '../../../../services/trainer/client/batch.js';

export const SIDE = 16;
export const NUM_CLASSES = 10;

export interface MemorySplit {
  /** Samples of different splits have different noise. */
  readonly split: number;
  readonly numSamples: number;
  readonly batchSize: number;
  readonly seed?: number;
  readonly endOfEpoch?: EndOfEpoch;
}

/** Batches from a position on, epoch after epoch, in the order of the law; each a function of its position alone. */
export async function* memoryStream(
  options: MemorySplit,
  from: StreamPosition = { epoch: 0, step: 0 },
  numEpochs = Infinity,
): AsyncGenerator<Batch, void, undefined> {
  const { split, numSamples, batchSize, seed = 1, endOfEpoch = 'drop' } = options;
  const planner = createBatchPlanner({
    selection: allSamples(numSamples),
    seed,
    shuffle: 'full',
    endOfEpoch,
    globalBatchSize: batchSize,
  });
  for (let epoch = from.epoch; epoch < numEpochs; epoch++) {
    const numSteps = planner.numSteps(epoch);
    for (let step = epoch === from.epoch ? from.step : 0; step < numSteps; step++) {
      const { ids, isValid } = planner.plan({ epoch, step }, { rank: 0, worldSize: 1 });
      const images = new Float32Array(batchSize * SIDE * SIDE * 3);
      ids.forEach((id, index) => images.set(drawSample(split, id), index * SIDE * SIDE * 3));
      yield await Promise.resolve({
        epoch,
        step,
        isLastStep: step === numSteps - 1,
        shape: [batchSize, SIDE, SIDE, 3],
        layout: 'NHWC',
        channelOrder: 'BGR',
        images,
        labels: Int32Array.from(ids, (id) => id % NUM_CLASSES),
        ids,
        isValid,
      });
    }
  }
}

/**
 * Ten classes: five directions of stripes, in two widths, of any phase and colour, with noise over them. Label `id % 10`.
 */
export function drawSample(split: number, id: number): Float32Array {
  let state = absorb(mix32(split + 1), id);
  const draw = (): number => {
    state = mix32(state + 1);
    return state / 0x1_0000_0000;
  };
  const label = id % NUM_CLASSES;
  const angle = (Math.floor(label / 2) * Math.PI) / 5;
  const frequency = label % 2 === 0 ? 0.6 : 1.6;
  const phase = draw() * 2 * Math.PI;
  const colour = [draw(), draw(), draw()].map((level) => 40 + 80 * level);
  const image = new Float32Array(SIDE * SIDE * 3);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const wave = Math.sin(frequency * (x * Math.cos(angle) + y * Math.sin(angle)) + phase);
      for (let channel = 0; channel < 3; channel++) {
        image[(y * SIDE + x) * 3 + channel] = Math.fround(colour[channel] * wave + 30 * (draw() - 0.5));
      }
    }
  }
  return image;
}
