/** What a run has to keep to go on as if nothing had happened, as one safetensors file. */
import { z } from 'zod';
import { MillraceError } from '../../../lib/core/errors.js';
import type { StreamPosition } from '../client/batch.js';
import type { Model } from '../models/model.js';
import type { ParameterSpec } from '../models/parameter-spec.js';
import { UPDATE_RULE_NAMES, UPDATE_RULES, type UpdateRuleName } from '../solver/update-rules.js';
import { decodeTensorFile, encodeTensorFile, type NamedTensor, type TensorFile } from './safetensors.js';

/** What the sequence of batches and weights is a function of. A run goes on only from a checkpoint with the same key. */
export interface RunKey {
  /** Key of the first weights and of the stream's order, `[0, 2^53)`. */
  readonly seed: number;
  readonly datasetVersion: string;
  /** Samples of one step over all ranks: a step of another size is another place in the data. */
  readonly globalBatchSize: number;
  readonly rule: UpdateRuleName;
  /** SHA-256 of the file whose weights the run began with; undefined: filled ones. */
  readonly weightsFrom?: string | undefined;
}

/** How far a run has come. */
export interface RunProgress {
  /** Steps done, over all epochs. */
  readonly runStep: number;
  /** The batch wanted next. */
  readonly position: StreamPosition;
  /** Loss of the run's first step; undefined before it. */
  readonly firstLoss: number | undefined;
  /** Loss of the latest step; undefined before the first. */
  readonly lastLoss: number | undefined;
}

export interface Checkpoint {
  readonly model: Pick<Model, 'name' | 'inputShape' | 'numClasses'>;
  readonly key: RunKey;
  readonly progress: RunProgress;
  /** Parameters and statistics, by name. */
  readonly weights: ReadonlyMap<string, NamedTensor>;
  /** The solver's tensors, as `<slot>.<parameter>`. */
  readonly solver: ReadonlyMap<string, NamedTensor>;
  /** What the trainer's user wants to find again beside the weights, such as class names. */
  readonly annotations: Readonly<Record<string, string>>;
}

const FORMAT = 'millrace-checkpoint-2';
/** In the file a solver's tensor has its name behind this, so that other tools find the weights under theirs. */
const SOLVER = 'solver.';
const ANNOTATION = 'note.';

const count = z.string().regex(/^\d+$/, 'expected a whole number').transform(Number);
const loss = z.string().transform(Number).pipe(z.number()).optional();
const metadataSchema = z.object({
  format: z.literal(FORMAT),
  model: z.string(),
  inputShape: z
    .string()
    .regex(/^\d+,\d+,\d+$/, 'expected "height,width,channels"')
    .transform((text) => text.split(',').map(Number) as [number, number, number]),
  numClasses: count,
  seed: count,
  datasetVersion: z.string(),
  globalBatchSize: count,
  rule: z.enum(UPDATE_RULE_NAMES),
  weightsFrom: z.string().optional(),
  runStep: count,
  epoch: count,
  step: count,
  firstLoss: loss,
  lastLoss: loss,
});

/** The file's bytes in pieces, views of the tensors; the same checkpoint gives the same bytes. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array[] {
  const { model, key, progress, weights, solver, annotations } = checkpoint;
  const { firstLoss, lastLoss } = progress;
  const facts: Partial<Record<keyof z.input<typeof metadataSchema>, string | number | undefined>> = {
    format: FORMAT,
    model: model.name,
    inputShape: model.inputShape.join(','),
    numClasses: model.numClasses,
    ...key,
    runStep: progress.runStep,
    ...progress.position,
    firstLoss,
    lastLoss,
  };
  const notes = Object.entries(annotations).map(([name, note]) => [ANNOTATION + name, note] as const);
  const known = Object.entries(facts).filter(([, fact]) => fact !== undefined);
  return encodeTensorFile({
    tensors: new Map([...weights, ...[...solver].map(([name, tensor]) => [SOLVER + name, tensor] as const)]),
    metadata: Object.fromEntries([...known.map(([name, fact]) => [name, String(fact)] as const), ...notes]),
  });
}

/** The tensors are views of `bytes`. Throws ERR_VERIFICATION when those are not a checkpoint; `path` is for messages. */
export function decodeCheckpoint(bytes: Uint8Array, path: string): Checkpoint {
  return checkpointOf(decodeTensorFile(bytes, path), path);
}

/** Whether a safetensors file was meant as a checkpoint of this trainer, of whatever version. */
export function isCheckpoint({ metadata }: TensorFile): boolean {
  return 'format' in metadata && metadata['format'].startsWith('millrace-checkpoint-');
}

/** As {@link decodeCheckpoint}, of a file that has been decoded. */
export function checkpointOf(file: TensorFile, path: string): Checkpoint {
  const { tensors, metadata } = file;
  if (!isCheckpoint(file)) {
    throw new MillraceError(
      'ERR_VERIFICATION',
      `${path} is not a checkpoint of this trainer: its format is ${metadata['format'] ?? 'not said'}; ` +
        'give a step-….safetensors of "millrace train"',
      { context: { path } },
    );
  }
  const parsed = metadataSchema.safeParse(metadata);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new MillraceError(
      'ERR_VERIFICATION',
      `${path} is not a checkpoint of this trainer: metadata ${issue.path.join('.')}: ${issue.message}`,
      { context: { path } },
    );
  }
  const {
    model,
    inputShape,
    numClasses,
    seed,
    datasetVersion,
    globalBatchSize,
    rule,
    weightsFrom,
    runStep,
    epoch,
    step,
    firstLoss,
    lastLoss,
  } = parsed.data;
  const weights = new Map<string, NamedTensor>();
  const solver = new Map<string, NamedTensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(SOLVER)) solver.set(name.slice(SOLVER.length), tensor);
    else weights.set(name, tensor);
  }
  return {
    model: { name: model, inputShape, numClasses },
    key: { seed, datasetVersion, globalBatchSize, rule, ...(weightsFrom !== undefined && { weightsFrom }) },
    progress: { runStep, position: { epoch, step }, firstLoss, lastLoss },
    weights,
    solver,
    annotations: Object.fromEntries(
      Object.entries(metadata)
        .filter(([name]) => name.startsWith(ANNOTATION))
        .map(([name, note]) => [name.slice(ANNOTATION.length), note]),
    ),
  };
}

/** Throws ERR_VERIFICATION when the weights are not the model's parameters and statistics, one for one. */
export function checkWeights(
  { name, parameters, statistics }: Model,
  weights: ReadonlyMap<string, NamedTensor>,
  path: string,
): void {
  checkTensors([...parameters, ...statistics], weights, `model ${name}`, path);
}

/** Throws ERR_VERIFICATION when the solver's tensors are not those that its rule keeps for the model's parameters. */
export function checkSolverState(
  { parameters }: Model,
  rule: UpdateRuleName,
  tensors: ReadonlyMap<string, NamedTensor>,
  path: string,
): void {
  const expected = UPDATE_RULES[rule].slotNames.flatMap((slot) =>
    parameters.map(({ name, shape }) => ({ name: `${slot}.${name}`, shape })),
  );
  checkTensors(expected, tensors, `solver ${rule}`, path);
}

function checkTensors(
  specs: readonly Pick<ParameterSpec, 'name' | 'shape'>[],
  tensors: ReadonlyMap<string, NamedTensor>,
  what: string,
  path: string,
): void {
  const textOf = (shape: readonly number[] | undefined): string =>
    shape === undefined ? 'none' : `[${shape.join(', ')}]`;
  const shapes = new Map(specs.map(({ name, shape }) => [name, shape]));
  for (const name of new Set([...shapes.keys(), ...tensors.keys()])) {
    const expected = textOf(shapes.get(name));
    const got = textOf(tensors.get(name)?.shape);
    if (expected !== got) {
      throw new MillraceError(
        'ERR_VERIFICATION',
        `${path} does not fit ${what}: for ${name} expected the shape ${expected}, got ${got}`,
        { context: { path, parameter: name } },
      );
    }
  }
}

/** Throws ERR_OPTIONS_DIFFER, or ERR_VERSION_CHANGED for the dataset, when a run with this key cannot go on from the checkpoint. */
export function checkResumable(checkpoint: Checkpoint, model: Model, key: RunKey, path: string): void {
  const facts = (of: Pick<Checkpoint, 'model' | 'key'>) => ({
    model: of.model.name,
    'input shape': of.model.inputShape.join('×'),
    'number of classes': of.model.numClasses,
    seed: of.key.seed,
    'global batch size': of.key.globalBatchSize,
    solver: of.key.rule,
    'file of first weights': of.key.weightsFrom ?? 'none',
    'dataset version': of.key.datasetVersion,
  });
  const had = facts(checkpoint);
  for (const [name, wanted] of Object.entries(facts({ model, key }))) {
    const found = had[name as keyof typeof had];
    if (found !== wanted) {
      throw new MillraceError(
        name === 'dataset version' ? 'ERR_VERSION_CHANGED' : 'ERR_OPTIONS_DIFFER',
        `cannot go on from ${path}: its ${name} is ${found}, this run's is ${wanted}; ` +
          'run with the same options, or use another snapshot folder, or --resume never',
        { context: { path, field: name } },
      );
    }
  }
}
