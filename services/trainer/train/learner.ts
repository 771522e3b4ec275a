import type { Tensor } from '@tensorflow/tfjs-core';
import type { Backend } from '../backend/backend.js';
import type { Batch } from '../client/batch.js';
import { fillParameter } from '../models/fillers.js';
import type { Model, ParameterTensors } from '../models/model.js';
import { sgdStep, type Learnt, type SgdRates } from '../solver/sgd.js';
import { toTensors } from './batch-tensors.js';
import type { NamedTensor } from './safetensors.js';

/** What is learnt, away from any backend; both by parameter name. */
export interface LearnerState {
  readonly weights: ReadonlyMap<string, NamedTensor>;
  readonly velocities: ReadonlyMap<string, NamedTensor>;
}

/** A model's weights and momentum on a backend, and the step that changes them. */
export interface Learner {
  /** The weights as they are now; they are the learner's, and gone with the next step. */
  weights(): ParameterTensors;
  /**
   * One step of the solver on the mean cross-entropy over the batch's valid samples; returns that loss, of before the step.
   * When it is not finite the weights stay as they were. Rates are those of a parameter with multipliers of 1.
   */
  step(batch: Batch, rates: SgdRates): Promise<number>;
  /** A copy of all. */
  state(): Promise<LearnerState>;
  dispose(): void;
}

/** What a run begins with: filled weights and no momentum. */
export function initialState(model: Model, seed: number): LearnerState {
  const weights = new Map<string, NamedTensor>();
  const velocities = new Map<string, NamedTensor>();
  for (const parameter of model.parameters) {
    const { name, shape } = parameter;
    const data = fillParameter(parameter, seed);
    weights.set(name, { shape, data });
    velocities.set(name, { shape, data: new Float32Array(data.length) });
  }
  return { weights, velocities };
}

/** The state must be the model's, one tensor a parameter. */
export function createLearner({ tf }: Backend, model: Model, state: LearnerState): Learner {
  const { parameters } = model;
  const upload = (from: LearnerState['weights'], name: string): Tensor => {
    const tensor = from.get(name);
    if (tensor === undefined) throw new Error(`the state has no tensor ${name}`);
    return tf.tensor(tensor.data, [...tensor.shape], 'float32');
  };
  let learnt: Learnt[] = parameters.map(({ name }) => ({
    weight: upload(state.weights, name),
    velocity: upload(state.velocities, name),
  }));

  const named = (tensors: readonly Tensor[]): ParameterTensors =>
    new Map(parameters.map(({ name }, index) => [name, tensors[index]]));
  const download = async (tensors: readonly Tensor[]): Promise<Map<string, NamedTensor>> => {
    const values = await Promise.all(tensors.map((tensor) => tensor.data<'float32'>()));
    return new Map(parameters.map(({ name }, index) => [name, { shape: tensors[index].shape, data: values[index] }]));
  };
  const weights = (): Tensor[] => learnt.map(({ weight }) => weight);
  const velocities = (): Tensor[] => learnt.map(({ velocity }) => velocity);
  const replace = (next: Learnt[]): void => {
    for (const { weight, velocity } of learnt) tf.dispose([weight, velocity]);
    learnt = next;
  };

  return {
    weights: () => named(weights()),
    async step(batch, rates) {
      const [loss, ...next] = tf.tidy(() => {
        const { images, targets, weights: sampleWeights } = toTensors(tf, batch, model);
        const lossOf = (...tensors: Tensor[]): Tensor =>
          tf.losses.softmaxCrossEntropy(targets, model.logits(tf, named(tensors), images), sampleWeights);
        const { value, grads } = tf.valueAndGrads(lossOf)(weights());
        const stepped = parameters.map(({ rateMultiplier, decayMultiplier }, index) =>
          sgdStep(tf, learnt[index], grads[index], {
            learningRate: rates.learningRate * rateMultiplier,
            momentum: rates.momentum,
            weightDecay: rates.weightDecay * decayMultiplier,
          }),
        );
        return [value, ...stepped.flatMap(({ weight, velocity }) => [weight, velocity])];
      });
      const [lossValue] = await loss.data<'float32'>();
      loss.dispose();
      if (!Number.isFinite(lossValue)) {
        tf.dispose(next);
        return lossValue;
      }
      replace(parameters.map((_, index) => ({ weight: next[2 * index], velocity: next[2 * index + 1] })));
      return lossValue;
    },
    async state() {
      return { weights: await download(weights()), velocities: await download(velocities()) };
    },
    dispose: () => replace([]),
  };
}
