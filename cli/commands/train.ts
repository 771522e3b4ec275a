import type { Command } from 'commander';
import { join } from 'node:path';
import { MillraceError } from '../../lib/core/errors.js';
import type { TransformOptions } from '../../lib/core/presets.js';
import { formatAmount } from '../../lib/platform/progress.js';
import { BACKEND_NAMES, openBackend } from '../../services/trainer/backend/backend.js';
import { connect, type Client, type DatasetInfo, type StreamOptions } from '../../services/trainer/client/client.js';
import { withMultipliersOf } from '../../services/trainer/caffe/net-prototxt.js';
import { createModel, MODEL_NAMES } from '../../services/trainer/models/catalog.js';
import { numParametersOf } from '../../services/trainer/models/model.js';
import { PRESET_NAMES } from '../../services/trainer/solver/presets.js';
import { UPDATE_RULE_NAMES } from '../../services/trainer/solver/update-rules.js';
import { drawCurve } from '../../services/trainer/train/loss-curve.js';
import type { TrainResult } from '../../services/trainer/train/options.js';
import { train } from '../../services/trainer/train/train.js';
import { annotate } from '../checkpoint-notes.js';
import { defineCommand, type CommandContext } from '../command.js';
import { readInitialWeights } from '../initial-weights.js';
import { planTraining, trainFlagsSchema, type TrainFlags, type TrainPlan } from '../train-settings.js';
import { addStreamFlags, augmentationOf, orderOf } from '../stream-flags.js';
import { addConnectFlags, readConnectFlags } from '../connect-flags.js';

/** `millrace train <dataset>`: a training run fed by batch servers, here or elsewhere. */
export function addTrainCommand(program: Command): void {
  defineCommand(program, {
    usage: 'train [dataset]',
    summary: 'train a model on batches of one or more servers; the same command again goes on from the last snapshot',
    examples: [
      'millrace train sample',
      'millrace train imagenette-160 --server feeder-1:50051 feeder-2:50051 --steps 2000',
      'millrace train ilsvrc2012 --model caffenet --server feeder-1:50051',
      'millrace train ilsvrc2012 --solver models/bvlc_googlenet/quick_solver.prototxt',
      'millrace train flowers --model caffenet --weights bvlc_reference_caffenet.caffemodel --learning-rate 0.001',
      'millrace train flowers --server feeder-1:50051 --tls-ca ca.pem --batch-size 64 --crop 112',
    ],
    flags: (command) =>
      addConnectFlags(
        addStreamFlags(
          command
            .option('--server <host:port...>', 'batch servers, the first one tried first (default: 127.0.0.1:50051)')
            .option('--model <name>', `${MODEL_NAMES.join(', ')} (default: the solver's net, or small-convnet)`)
            .option('--solver <file>', "Caffe's solver.prototxt: settings, with those of the net that it names")
            .option(
              '--preset <name>',
              `settings of a reference model: ${PRESET_NAMES.join(', ')} (default: the model's own)`,
            )
            .option(
              '--weights <file>',
              "begin with the weights of a .caffemodel, or of a .safetensors: another run's, or torchvision's of a ResNet",
            )
            .option('--split <name>', "split to learn from (default: the solver's source, or train)")
            .option('--test-split <name>', 'split to test on (default: val)')
            .option('--rank <number>', 'which part of each global batch is for this trainer (default: 0)')
            .option('--world-size <count>', 'trainers that share each global batch (default: 1)')
            .option('--backend <name>', `${BACKEND_NAMES.join(', ')} (default: auto, the fastest that is here)`)
            .option(
              '--batch-size <count>',
              "images of a batch (default: the preset's of a reference model, the dataset's own, or 32)",
            )
            .option(
              '--crop <pixels>',
              "side of the random crop (default: the preset's, the dataset's own, or 7/8 of the image)",
            )
            .option('--no-mirror', 'leave half of the images unmirrored as well')
            .option('--mean <what>', "what is subtracted: channel or image (default: the preset's, or channel)")
            .option(
              '--seed <number>',
              'key of the first weights, the order, the augmentation and the dropout (default: 0)',
            )
            .option('--steps <count>', "steps of the whole run (default: the preset's, the dataset's own, or 1000)")
            .option('--rule <name>', `${UPDATE_RULE_NAMES.join(', ')} (default: sgd)`)
            .option(
              '--learning-rate <rate>',
              "rate that the policy begins with (default: the preset's, the dataset's own, or 0.01)",
            )
            .option('--policy <name>', "fixed, or cosine down to 0 (default: the preset's, or fixed)")
            .option('--warm-up <steps>', "steps of a linear rise of the rate (default: the preset's, or 0)")
            .option('--momentum <factor>', 'default: 0.9')
            .option('--weight-decay <factor>', "default: the preset's, or 0.0005")
            .option('--iter-size <count>', 'batches whose mean gradient makes one step (default: 1)')
            .option('--label-smoothing <share>', "of the target, spread over all classes (default: the preset's, or 0)")
            .option(
              '--display-every <steps>',
              "steps between two lines about the loss; 0: none (default: the preset's, or 20)",
            )
            .option('--test-every <steps>', "steps between two tests; 0: only at the end (default: the preset's, or 0)")
            .option(
              '--snapshot-every <steps>',
              "steps between two checkpoints; 0: only at the end (default: the preset's, or 50)",
            )
            .option('--keep-snapshots <count>', 'checkpoints that stay (default: 2)')
            .option('--snapshots <folder>', 'where checkpoints and the log go (default: <root>/runs/<dataset>)')
            .option('--resume <how>', 'auto (default): from the newest checkpoint; never: begin anew'),
        ),
      ),
    schema: trainFlagsSchema,
    async action(flags, context) {
      const plan = await planTraining(flags);
      const client = connect({
        servers: flags.server,
        ...(await readConnectFlags(flags)),
        onReconnect: ({ server, reason, position, waitMs }) =>
          context.reporter.event('reconnect', `${reason}; going on at epoch ${position.epoch}, step ${position.step}`, {
            server,
            reason,
            ...position,
            waitMs,
          }),
      });
      try {
        await trainWith(client, plan, flags, context);
      } finally {
        client.close();
      }
    },
  });
}

async function trainWith(client: Client, plan: TrainPlan, flags: TrainFlags, context: CommandContext): Promise<void> {
  const { environment, root, reporter, signal, result } = context;
  const { dataset: name, split, settings, solver } = plan;
  for (const note of new Set(solver?.notes)) reporter.event('note', note);
  const info = await client.dataset(name, split);
  if (info.classes.length === 0) {
    throw new MillraceError(
      'ERR_NOT_FOUND',
      `${name}/${split} has no classes to learn; let its dataset name them in "classes", and prepare it anew`,
    );
  }
  checkTestClasses(info, await client.dataset(name, flags.testSplit));
  const { batchSize, seed } = settings;
  const side = Math.min(info.shape.height, info.shape.width);
  const wanted = settings.cropSize;
  const isWanted = wanted !== undefined && (wanted <= side || flags.crop !== undefined);
  // A preset's crop, made for images of 256 pixels, gives way to smaller ones.
  const cropSize = isWanted ? wanted : Math.round(side * 0.875);
  const transform: TransformOptions = {
    cropSize,
    mirror: settings.mirror,
    mean: settings.mean,
    scale: settings.scale,
  };
  const { rank, worldSize } = flags;
  const stream: StreamOptions = {
    dataset: name,
    split,
    batchSize,
    rank,
    worldSize,
    seed,
    connections: flags.connections,
    ...(await orderOf(flags)),
    transform: { ...transform, ...augmentationOf(flags) },
    signal,
  };
  const test: StreamOptions = {
    ...stream,
    split: flags.testSplit,
    batchSize: settings.testBatchSize,
    // Each trainer tests on the whole split.
    rank: 0,
    worldSize: 1,
    connections: 1,
    epochs: 1,
    shuffle: 'none',
    endOfEpoch: 'pad',
    selection: { classes: flags.classes },
    // What a model has learnt without is also taken from what it is tested on.
    meanOf: { dataset: name, split },
    transform: { ...transform, cropMode: 'center', mirror: false },
  };

  const backend = await openBackend(flags.backend, { allowSoftwareGpu: environment.allowSoftwareGpu });
  const plain = createModel(plan.modelName, [cropSize, cropSize, info.shape.channels], info.classes.length);
  const model = solver === undefined ? plain : withMultipliersOf(solver.net, plain);
  reporter.event(
    'backend',
    `${model.name} (${numParametersOf(model).toLocaleString('en')} parameters) on ${backend.name}: ${backend.device}`,
    {
      model: model.name,
      backend: backend.name,
      device: backend.device,
      passedOver: backend.passedOver,
    },
  );
  const initial = flags.weights === undefined ? undefined : await readInitialWeights(flags.weights, model);
  if (initial !== undefined) {
    const { weights, filled } = initial;
    const others = filled.length === 0 ? '' : `; not in it, and filled: ${filled.join(', ')}`;
    reporter.event('weights', `${weights.size} tensors of ${flags.weights} to begin with${others}`, { filled });
  }
  const outcome = await train({
    backend,
    model,
    solver: settings.solver,
    key: {
      seed,
      datasetVersion: info.version,
      globalBatchSize: batchSize * worldSize,
      ...(initial !== undefined && { weightsFrom: initial.sha256 }),
    },
    initialWeights: initial?.weights,
    openStream: (from) => client.stream({ ...stream, from }),
    openTestStream: () => client.stream(test),
    numSteps: settings.numSteps,
    displayEvery: settings.displayEvery,
    testEvery: settings.testEvery,
    snapshotEvery: settings.snapshotEvery,
    keepSnapshots: flags.keepSnapshots,
    snapshotFolder: flags.snapshots ?? join(root, 'runs', name, ...(worldSize > 1 ? [`rank-${rank}`] : [])),
    resume: flags.resume,
    annotations: { ...annotate(info, settings), backend: backend.name, device: backend.device },
    signal,
    reporter,
  });
  result(
    { backend: backend.name, device: backend.device, batchSize, ...outcome, losses: undefined },
    describe(outcome),
  );
}

/** Labels are numbers: a test split that numbers its classes in another way would only look badly learnt. */
function checkTestClasses(trained: DatasetInfo, tested: DatasetInfo): void {
  const label = Array.from({ length: Math.max(trained.classes.length, tested.classes.length) }).findIndex(
    (_, at) => trained.classes.at(at)?.id !== tested.classes.at(at)?.id,
  );
  if (label < 0) return;
  const nameOf = ({ dataset, split, classes }: DatasetInfo): string =>
    `${classes.at(label)?.id ?? 'none'} in ${dataset}/${split}`;
  throw new MillraceError(
    'ERR_VERIFICATION',
    `--test-split: label ${label} is class ${nameOf(trained)} and ${nameOf(tested)}; ` +
      'let the dataset name its classes in "classes", and prepare both anew',
  );
}

function describe(outcome: TrainResult): string {
  const { steps, firstLoss, lastLoss, accuracy, imagesPerSecond, waitShare, firstWaitMs, losses } = outcome;
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return [
    drawCurve(losses),
    `steps       ${steps}, loss ${firstLoss?.toFixed(3) ?? '–'} → ${lastLoss?.toFixed(3) ?? '–'}`,
    `accuracy    ${percent(accuracy.top1)} top-1, ${percent(accuracy.top5)} top-5 of ${accuracy.numSamples} images`,
    ...(imagesPerSecond === 0
      ? ['speed       trained before']
      : [
          `speed       ${formatAmount(imagesPerSecond, 'images')}/s, ${percent(waitShare)} of the time waiting for data`,
          `start       ${(firstWaitMs / 1000).toFixed(1)} s until the first batch`,
        ]),
    `log         ${outcome.log}`,
    `checkpoint  ${outcome.checkpoint}`,
  ].join('\n');
}
