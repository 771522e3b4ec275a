import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { absorb, absorbInteger, HashTag, mix32 } from '../../../lib/core/keyed-hash.js';
import type { Backend } from '../backend/backend.js';
import type { Batch } from '../client/batch.js';
import { fillParameter } from '../models/fillers.js';
import type { AuxiliaryLogits } from '../models/layers/pass.js';
import type { Model } from '../models/model.js';
import { numElementsOf } from '../models/parameter-spec.js';
import { learningRateAt } from '../solver/learning-rate.js';
import type { SolverSettings } from '../solver/settings.js';
import { UPDATE_RULES, updateStep, type Stepped } from '../solver/update-rules.js';
import { toTensors } from './batch-tensors.js';
import type { NamedTensor } from './safetensors.js';

/** What is learnt, away from any backend. */
export interface LearnerState {
  /** The model's parameters and statistics, by name. */
  readonly weights: ReadonlyMap<string, NamedTensor>;
  /** The solver's tensors, as `<slot>.<parameter>`. */
  readonly solver: ReadonlyMap<string, NamedTensor>;
}

/** A model's weights and a solver's state on a backend, and the step that changes them. */
export interface Learner {
  /** Parameters and statistics as they are now; they are the learner's, and gone with the next update. */
  weights(): ReadonlyMap<string, Tensor>;
  /**
   * Adds the gradient of the mean cross-entropy over the batch's valid samples to what the next update goes by, auxiliary losses
   * included; returns that loss. Running statistics follow the padding too.
   */
  accumulate(batch: Batch, dropoutKey: number): Promise<number>;
  /** The solver's step after `runStep` steps, by the mean gradient of `iterSize` batches. */
  update(runStep: number): void;
  /** A copy of all, as of the last update. */
  state(): Promise<LearnerState>;
  dispose(): void;
}

/** What a run begins with: weights, filled where none of that shape are `given`, and a solver that has seen nothing. */
export function initialState(
  model: Model,
  { rule }: Pick<SolverSettings, 'rule'>,
  seed: number,
  given: ReadonlyMap<string, NamedTensor> = new Map(),
): LearnerState {
  const { parameters, statistics } = model;
  const weightOf = (name: string, shape: readonly number[], fill: () => Float32Array) => {
    const tensor = given.get(name);
    return [name, tensor?.shape.join() === shape.join() ? tensor : { shape, data: fill() }] as const;
  };
  return {
    weights: new Map([
      ...parameters.map((spec) => weightOf(spec.name, spec.shape, () => fillParameter(spec, seed))),
      ...statistics.map(({ name, shape, initialValue }) =>
        weightOf(name, shape, () => new Float32Array(numElementsOf(shape)).fill(initialValue)),
      ),
    ]),
    solver: new Map(
      UPDATE_RULES[rule].slotNames.flatMap((slot) =>
        parameters.map(({ name, shape }) => {
          const data = new Float32Array(numElementsOf(shape));
          return [`${slot}.${name}`, { shape, data }] as const;
        }),
      ),
    ),
  };
}

/** Key of the dropout masks of one batch: the `part`-th that the step after `runStep` steps is made of. */
export function dropoutKeyOf(seed: number, runStep: number, part: number): number {
  return absorb(absorbInteger(absorbInteger(mix32(HashTag.dropout), seed), runStep), part);
}

/** The state must be the model's and the solver's, as {@link initialState} has it. */
export function createLearner({ tf }: Backend, model: Model, solver: SolverSettings, state: LearnerState): Learner {
  const { parameters } = model;
  const { slotNames } = UPDATE_RULES[solver.rule];
  const upload = (from: ReadonlyMap<string, NamedTensor>, name: string): Tensor => {
    const tensor = from.get(name);
    if (tensor === undefined) throw new Error(`the state has no tensor ${name}`);
    return tf.tensor(tensor.data, [...tensor.shape], 'float32');
  };
  const learnt: Stepped[] = parameters.map(({ name }) => ({
    weight: upload(state.weights, name),
    slots: slotNames.map((slot) => upload(state.solver, `${slot}.${name}`)),
  }));
  const statistics = new Map(model.statistics.map(({ name }) => [name, upload(state.weights, name)]));
  /** Sums of gradients, and statistics, of batches that no update has taken yet. */
  let gradients: Tensor[] = [];
  const pendingStatistics = new Map<string, Tensor>();

  const named = (tensors: readonly Tensor[]) => parameters.map(({ name }, index) => [name, tensors[index]] as const);
  const weights = (): Tensor[] => learnt.map(({ weight }) => weight);
  const lossOf = (targets: Tensor2D, logits: Tensor2D, sampleWeights: Tensor): Tensor =>
    tf.losses.softmaxCrossEntropy(targets, logits, sampleWeights, solver.labelSmoothing);
  const replace = (map: Map<string, Tensor>, name: string, tensor: Tensor): void => {
    map.get(name)?.dispose();
    map.set(name, tensor);
  };
  const download = async (tensors: Iterable<readonly [string, Tensor]>): Promise<Map<string, NamedTensor>> => {
    const copies = [...tensors].map(async ([name, tensor]) => {
      return [name, { shape: tensor.shape, data: await tensor.data<'float32'>() }] as const;
    });
    return new Map(await Promise.all(copies));
  };

  return {
    weights: () => new Map([...named(weights()), ...statistics]),
    async accumulate(batch, dropoutKey) {
      const followed = new Map<string, Tensor>();
      const [loss, ...sums] = tf.tidy(() => {
        const { images, targets, weights: sampleWeights } = toTensors(tf, batch, model);
        const totalLoss = (...tensors: Tensor[]): Tensor => {
          const auxiliary: AuxiliaryLogits[] = [];
          const pass = {
            tf,
            tensors: new Map([...named(tensors), ...statistics, ...pendingStatistics]),
            training: { dropoutKey, statistics: followed, auxiliary },
          };
          const loss = lossOf(targets, model.logits(pass, images), sampleWeights);
          return auxiliary.reduce(
            (total, { logits, lossWeight }) =>
              tf.add(total, tf.mul(lossOf(targets, logits, sampleWeights), lossWeight)),
            loss,
          );
        };
        const { value, grads } = tf.valueAndGrads(totalLoss)(weights());
        return [
          value,
          ...grads.map((gradient, index) => (index in gradients ? tf.add(gradients[index], gradient) : gradient)),
        ];
      });
      tf.dispose(gradients);
      gradients = sums;
      for (const [name, tensor] of followed) replace(pendingStatistics, name, tensor);
      const [lossValue] = await loss.data<'float32'>();
      loss.dispose();
      return lossValue;
    },
    update(runStep) {
      const { learningRate: rate, momentum, momentum2, delta, weightDecay, rule, iterSize } = solver;
      const learningRate = learningRateAt(rate, runStep);
      const common = { momentum, momentum2, delta, runStep };
      // One parameter after the other: two copies of all of them may be more than a backend can hold.
      parameters.forEach(({ rateMultiplier, decayMultiplier }, index) => {
        const before = learnt[index];
        const [weight, ...slots] = tf.tidy(() => {
          const gradient = iterSize === 1 ? gradients[index] : tf.div(gradients[index], iterSize);
          const after = updateStep(tf, rule, before, gradient, {
            ...common,
            learningRate: learningRate * rateMultiplier,
            weightDecay: weightDecay * decayMultiplier,
          });
          return [after.weight, ...after.slots];
        });
        learnt[index] = { weight, slots };
        tf.dispose([before.weight, ...before.slots, gradients[index]]);
      });
      gradients = [];
      for (const [name, tensor] of pendingStatistics) replace(statistics, name, tensor);
      pendingStatistics.clear();
    },
    async state() {
      const slotsOf = (slot: string, at: number) =>
        named(learnt.map(({ slots }) => slots[at])).map(([name, tensor]) => [`${slot}.${name}`, tensor] as const);
      return {
        weights: await download([...named(weights()), ...statistics]),
        solver: await download(slotNames.flatMap(slotsOf)),
      };
    },
    dispose() {
      for (const { weight, slots } of learnt) tf.dispose([weight, ...slots]);
      tf.dispose([...gradients, ...statistics.values(), ...pendingStatistics.values()]);
    },
  };
}
