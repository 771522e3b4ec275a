import type { Command } from 'commander';
import { join } from 'node:path';
import { MillraceError } from '../../lib/core/errors.js';
import { croppedShape } from '../../lib/core/transform.js';
import { openBackend } from '../../services/trainer/backend/backend.js';
import { connect, type Client, type StreamOptions } from '../../services/trainer/client/client.js';
import { createModel } from '../../services/trainer/models/catalog.js';
import { DEFAULT_SOLVER } from '../../services/trainer/solver/sgd.js';
import type { TrainResult } from '../../services/trainer/train/options.js';
import { train } from '../../services/trainer/train/train.js';
import { annotate } from '../checkpoint-notes.js';
import { defineCommand, type CommandContext } from '../command.js';
import { readIds } from '../id-file.js';
import { findTrainTarget, trainFlagsSchema, transformsOf, type TrainFlags } from '../train-settings.js';
import { readPem } from './listen-flags.js';

/** `millrace train <dataset>`: a training run fed by batch servers, here or elsewhere. */
export function addTrainCommand(program: Command): void {
  defineCommand(program, {
    usage: 'train <dataset>',
    summary: 'train a model on batches of one or more servers; the same command again goes on from the last snapshot',
    examples: [
      'millrace train sample',
      'millrace train imagenette-160 --server feeder-1:50051 feeder-2:50051 --steps 2000',
      'millrace train flowers --server feeder-1:50051 --tls-ca ca.pem --batch-size 64 --crop 112',
    ],
    flags: (command) =>
      command
        .option('--server <host:port...>', 'batch servers, the first one tried first (default: 127.0.0.1:50051)')
        .option('--tls-ca <file>', 'certificate authority of the servers, PEM (default: no TLS)')
        .option('--split <name>', 'split to learn from (default: train)')
        .option('--test-split <name>', 'split to test on (default: val)')
        .option('--model <name>', 'small-convnet (default)')
        .option('--backend <name>', 'auto, wasm or cpu (default: auto)')
        .option('--batch-size <count>', "images of a step (default: the dataset's own, or 32)")
        .option('--crop <pixels>', "side of the random crop (default: the dataset's own, or 7/8 of the image)")
        .option('--no-mirror', 'leave half of the images unmirrored as well')
        .option('--mean <what>', 'what is subtracted: channel (default) or image')
        .option(
          '--preset <name>',
          'caffe-alexnet, caffe-googlenet or resnet: crop, mirror, mean; flags go before its own',
        )
        .option('--crop-mode <how>', 'random (default) or random-resized')
        .option('--color-jitter <strength>', 'brightness, contrast and saturation, each by a factor of up to 1 ± this')
        .option('--lighting <deviation>', "along the principal components of ImageNet's colors; AlexNet: 0.1")
        .option('--mixup <alpha>', 'mix pairs of images and labels by Beta(alpha, alpha)')
        .option('--cutmix <alpha>', 'paste a part of each image into its partner; with --mixup the one or the other')
        .option('--label-smoothing <share>', 'share of the label spread over all classes (default: 0)')
        .option('--shuffle <how>', 'full (default), blocks (for disks that seek slowly) or none')
        .option('--balance-classes', 'take every class equally often')
        .option('--classes <label...>', 'learn and test these labels only')
        .option('--ids <file>', 'learn these sample ids only, one a line')
        .option('--seed <number>', 'key of the first weights, the order and the augmentation (default: 0)')
        .option('--steps <count>', "steps of the whole run (default: the dataset's own, or 1000)")
        .option('--learning-rate <rate>', "fixed rate (default: the dataset's own, or 0.01)")
        .option('--display-every <steps>', 'steps between two lines about the loss; 0: none (default: 20)')
        .option('--test-every <steps>', 'steps between two tests; 0: only at the end (default: 0)')
        .option('--snapshot-every <steps>', 'steps between two checkpoints; 0: only at the end (default: 50)')
        .option('--snapshots <folder>', 'where checkpoints go (default: <root>/runs/<dataset>)')
        .option('--resume <how>', 'auto (default): from the newest checkpoint; never: begin anew'),
    schema: trainFlagsSchema,
    async action(flags, context) {
      const tls = flags.tlsCa === undefined ? undefined : { rootCertificates: await readPem('--tls-ca', flags.tlsCa) };
      const client = connect({
        servers: flags.server,
        tls,
        onReconnect: ({ server, reason, position, waitMs }) =>
          context.reporter.event('reconnect', `${reason}; going on at epoch ${position.epoch}, step ${position.step}`, {
            server,
            reason,
            ...position,
            waitMs,
          }),
      });
      try {
        await trainWith(client, flags, context);
      } finally {
        client.close();
      }
    },
  });
}

async function trainWith(client: Client, flags: TrainFlags, context: CommandContext): Promise<void> {
  const { root, reporter, signal, result } = context;
  const { name, defaults } = await findTrainTarget(flags.dataset);
  const info = await client.dataset(name, flags.split);
  if (info.classes.length === 0) {
    throw new MillraceError('ERR_NOT_FOUND', `${name}/${flags.split} has no classes to learn; its dataset names none`);
  }
  const transforms = transformsOf(flags, defaults, info.shape);
  const batchSize = flags.batchSize ?? defaults.batchSize ?? 32;
  const common = { dataset: name, batchSize, seed: flags.seed, signal };
  const { classes, balanceClasses, ids: idFile } = flags;
  const stream: StreamOptions = {
    ...common,
    split: flags.split,
    shuffle: flags.shuffle,
    selection: { classes, balanceClasses, ids: idFile === undefined ? undefined : await readIds('--ids', idFile) },
    transform: transforms.train,
    labels: { smoothing: flags.labelSmoothing },
  };
  const test: StreamOptions = {
    ...common,
    split: flags.testSplit,
    epochs: 1,
    shuffle: 'none',
    endOfEpoch: 'pad',
    selection: { classes },
    meanOf: { dataset: name, split: flags.split },
    transform: transforms.test,
  };

  const { height, width, channels } = croppedShape(info.shape, transforms.train);
  const backend = await openBackend(flags.backend);
  const model = createModel(flags.model, [height, width, channels], info.classes.length);
  reporter.event('backend', `${model.name} on ${backend.name}: ${backend.device}`, {
    model: model.name,
    backend: backend.name,
    device: backend.device,
  });
  const outcome = await train({
    backend,
    model,
    solver: {
      ...DEFAULT_SOLVER,
      learningRate: { type: 'fixed', baseRate: flags.learningRate ?? defaults.learningRate ?? 0.01 },
    },
    key: { seed: flags.seed, datasetVersion: info.version, globalBatchSize: batchSize },
    openStream: (from) => client.stream({ ...stream, from }),
    openTestStream: () => client.stream(test),
    numSteps: flags.steps ?? defaults.numSteps ?? 1_000,
    displayEvery: flags.displayEvery,
    testEvery: flags.testEvery,
    snapshotEvery: flags.snapshotEvery,
    snapshotFolder: flags.snapshots ?? join(root, 'runs', name),
    resume: flags.resume,
    annotations: annotate(info, transforms.test),
    signal,
    reporter,
  });
  result({ backend: backend.name, device: backend.device, batchSize, ...outcome }, describe(outcome));
}

function describe({
  steps,
  firstLoss,
  lastLoss,
  accuracy,
  imagesPerSecond,
  waitShare,
  checkpoint,
}: TrainResult): string {
  const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
  return [
    `steps       ${steps}, loss ${firstLoss?.toFixed(3) ?? '–'} → ${lastLoss?.toFixed(3) ?? '–'}`,
    `accuracy    ${percent(accuracy.top1)} top-1, ${percent(accuracy.top5)} top-5 of ${accuracy.numSamples} images`,
    `speed       ${imagesPerSecond.toFixed(0)} images/s, ${percent(waitShare)} of the time waiting for data`,
    `checkpoint  ${checkpoint}`,
  ].join('\n');
}
