/** Settings of a run that a preset, a Caffe solver file, a dataset or a user may give, each a part of them. */
import { DEFAULT_SOLVER, type SolverSettings } from '../solver/settings.js';

export interface RunSettings {
  readonly solver: SolverSettings;
  /** Images of one batch of this trainer. */
  readonly batchSize: number;
  /** Images of a batch of the test. */
  readonly testBatchSize: number;
  /** Side of the square crop, in pixels; undefined: 7/8 of the stored image's shorter side. */
  readonly cropSize: number | undefined;
  readonly mirror: boolean;
  readonly mean: 'channel' | 'image';
  /** Factor on the pixels after the mean has gone. */
  readonly scale: number;
  readonly numSteps: number;
  readonly displayEvery: number;
  readonly testEvery: number;
  readonly snapshotEvery: number;
  readonly seed: number;
}

/** Some settings; those that are undefined say nothing. */
export type PartialRunSettings = {
  readonly [Key in Exclude<keyof RunSettings, 'solver'>]?: RunSettings[Key] | undefined;
} & { readonly solver?: { readonly [Key in keyof SolverSettings]?: SolverSettings[Key] | undefined } | undefined };

const DEFAULTS: Omit<RunSettings, 'testBatchSize'> = {
  solver: DEFAULT_SOLVER,
  batchSize: 32,
  cropSize: undefined,
  mirror: true,
  mean: 'channel',
  scale: 1,
  numSteps: 1_000,
  displayEvery: 20,
  testEvery: 0,
  snapshotEvery: 50,
  seed: 0,
};

/**
 * Lays settings over each other, the later ones on top. A policy that goes by the length of the run goes by the one that comes
 * out.
 */
export function mergeSettings(...layers: readonly PartialRunSettings[]): RunSettings {
  const merged = layers.reduce<Omit<RunSettings, 'testBatchSize'> & { testBatchSize?: number }>(
    (below, layer) => ({
      ...below,
      ...definedOf(layer),
      solver: { ...below.solver, ...definedOf(layer.solver ?? {}) },
    }),
    DEFAULTS,
  );
  const { policy } = merged.solver.learningRate;
  const fitted = 'maxSteps' in policy ? { ...policy, maxSteps: merged.numSteps } : policy;
  return {
    ...merged,
    testBatchSize: merged.testBatchSize ?? merged.batchSize,
    solver: { ...merged.solver, learningRate: { ...merged.solver.learningRate, policy: fitted } },
  };
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function definedOf<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}
