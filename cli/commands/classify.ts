import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, MillraceError, UsageError } from '../../lib/core/errors.js';
import { copyCrop } from '../../lib/core/crop.js';
import { completeTransform } from '../../lib/core/presets.js';
import { numElements } from '../../lib/core/tensor.js';
import { createMeanSubtractor, windowOf, type Mean } from '../../lib/core/transform.js';
import { createPixelPipeline, type PixelPipeline } from '../../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg } from '../../lib/pixels/turbojpeg.js';
import { decodeBlobProto } from '../../lib/shards/blob-proto.js';
import { BACKEND_NAMES, openBackend } from '../../services/trainer/backend/backend.js';
import { openClassifier, type Prediction } from '../../services/trainer/train/classifier.js';
import { notesOf, type CheckpointNotes } from '../checkpoint-notes.js';
import { defineCommand } from '../command.js';

/** `millrace classify <image...>`: the likeliest classes of pictures, by a checkpoint of `millrace train`. */
export function addClassifyCommand(program: Command): void {
  defineCommand(program, {
    usage: 'classify <images...>',
    summary: 'the five likeliest classes of each picture, by a checkpoint of "millrace train"',
    examples: [
      'millrace classify cat.jpg --checkpoint .millrace/runs/imagenette-160/step-00001000.safetensors',
      'millrace classify *.jpg --checkpoint run.safetensors --mean-file mean.binaryproto',
    ],
    flags: (command) =>
      command
        .requiredOption('--checkpoint <file>', 'weights, as "millrace train" leaves them')
        .option('--mean-file <file>', 'mean image (BlobProto), for a checkpoint that was trained with --mean image')
        .option('--backend <name>', `${BACKEND_NAMES.join(', ')} (default: auto, the fastest that is here)`),
    schema: z.object({
      images: z.array(z.string()),
      checkpoint: z.string(),
      meanFile: z.string().optional(),
      backend: z.enum(BACKEND_NAMES).default('auto'),
    }),
    async action({ images, checkpoint: path, meanFile, backend: backendName }, { environment, result }) {
      const backend = await openBackend(backendName, { allowSoftwareGpu: environment.allowSoftwareGpu });
      const classifier = await openClassifier(backend, path);
      try {
        const notes = notesOf(classifier.checkpoint.annotations, path);
        const pipeline = createPixelPipeline({
          resize: { resize: 'caffe', fit: 'exact', size: notes.shape },
          turbojpeg: findTurbojpeg(environment.turbojpeg).turbojpeg,
        });
        const prepare = createPreparation(notes, classifier.model.inputShape[0], await readMean(notes, meanFile));
        const answers: { image: string; guesses: (Prediction & { id: string; name: string })[] }[] = [];
        for (const image of images) {
          const [guesses] = await classifier.classify(prepare(await readImage(image, pipeline)));
          answers.push({ image, guesses: guesses.map((guess) => ({ ...guess, ...notes.classes[guess.label] })) });
        }
        result({ images: answers }, answers.map(({ image, guesses }) => describe(image, guesses)).join('\n'));
      } finally {
        classifier.close();
      }
    },
  });
}

/** The picture as it would have been stored: planar, B, G, R. */
async function readImage(path: string, pipeline: PixelPipeline): Promise<Uint8Array> {
  let file: Buffer;
  try {
    file = await readFile(path);
  } catch (error) {
    throw new MillraceError('ERR_NOT_FOUND', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
      context: { path },
    });
  }
  try {
    return (await pipeline.convert(file)).data;
  } catch (error) {
    throw new MillraceError('ERR_IMAGE_UNREADABLE', `${path}: ${messageOf(error)}`, {
      cause: error,
      context: { path },
    });
  }
}

async function readMean({ meanMode, channelMean }: CheckpointNotes, meanFile: string | undefined): Promise<Mean> {
  if (meanMode === 'channel') return { image: new Float32Array(), channels: channelMean };
  if (meanFile === undefined) {
    throw new UsageError(
      '--mean-file',
      '--mean-file: this checkpoint was trained with a mean image; give its mean.binaryproto',
    );
  }
  return { image: decodeBlobProto(await readFile(meanFile), meanFile).data, channels: channelMean };
}

/** What a test batch goes through: centre crop, mean. */
function createPreparation(
  { shape, meanMode, scale }: CheckpointNotes,
  cropSize: number,
  mean: Mean,
): (pixels: Uint8Array) => Float32Array {
  const transform = completeTransform({ cropSize, cropMode: 'center', mean: meanMode, scale, dtype: 'float32' });
  const subtractor = createMeanSubtractor(transform, shape, mean);
  const window = windowOf(transform, shape, 0, 0, 0);
  const size = numElements({ ...shape, height: cropSize, width: cropSize });
  return (pixels) => {
    const cropped = new Uint8Array(size);
    copyCrop(cropped, 0, pixels, shape, window, transform.layout, transform.channelOrder);
    const image = new Float32Array(size);
    subtractor.subtract(image, cropped, 0, window);
    return image;
  };
}

function describe(image: string, guesses: readonly (Prediction & { id: string; name: string })[]): string {
  return [
    image,
    ...guesses.map(({ probability, id, name }) => `  ${(probability * 100).toFixed(1).padStart(5)} %  ${id}  ${name}`),
  ].join('\n');
}
