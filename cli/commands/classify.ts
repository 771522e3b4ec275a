import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, MillraceError } from '../../lib/core/errors.js';
import { createPixelPipeline, type PixelPipeline } from '../../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg } from '../../lib/pixels/turbojpeg.js';
import { BACKEND_NAMES, openBackend } from '../../services/trainer/backend/backend.js';
import { createClassifier, type Prediction } from '../../services/trainer/train/classifier.js';
import { defineCommand } from '../command.js';
import { createViews } from '../image-views.js';
import { CAFFE_MODELS, readTrainedModel } from '../trained-model.js';

const NUM_CROPS = 10;

/** `millrace classify <image...>`: the likeliest classes of pictures, by a checkpoint of `millrace train` or a caffemodel. */
export function addClassifyCommand(program: Command): void {
  defineCommand(program, {
    usage: 'classify <images...>',
    summary: 'the five likeliest classes of each picture, by a checkpoint of "millrace train" or by a caffemodel',
    examples: [
      'millrace classify cat.jpg --checkpoint .millrace/runs/imagenette-160/step-00001000.safetensors',
      'millrace classify *.jpg --checkpoint run.safetensors --mean-file mean.binaryproto --ten-crop',
      'millrace classify cat.jpg --caffemodel bvlc_googlenet.caffemodel --model googlenet --synset-words synset_words.txt',
    ],
    flags: (command) =>
      command
        .option('--checkpoint <file>', 'weights, as "millrace train" leaves them')
        .option('--caffemodel <file>', 'weights, as Caffe leaves them; with --model and --synset-words')
        .option('--model <name>', `what the caffemodel is: ${CAFFE_MODELS.join(', ')}`)
        .option(
          '--synset-words <file>',
          'class names for the caffemodel, "<id> <words>" a line in the order of the labels',
        )
        .option('--mean-file <file>', 'mean image (BlobProto), for weights that were trained with one')
        .option('--mean-value <b,g,r>', 'mean per channel for the caffemodel (default: 104,117,123)')
        .option(
          '--ten-crop',
          'average over the corners and the middle, each mirrored too, in place of the middle alone',
        )
        .option('--backend <name>', `${BACKEND_NAMES.join(', ')} (default: auto, the fastest that is here)`),
    schema: z.object({
      images: z.array(z.string()),
      checkpoint: z.string().optional(),
      caffemodel: z.string().optional(),
      model: z.enum(CAFFE_MODELS).optional(),
      synsetWords: z.string().optional(),
      meanFile: z.string().optional(),
      meanValue: z
        .string()
        .regex(/^\d+(\.\d+)?(,\d+(\.\d+)?){2}$/, 'expected three numbers with commas between them, as 104,117,123')
        .transform((text) => text.split(',').map(Number))
        .optional(),
      tenCrop: z.boolean().default(false),
      backend: z.enum(BACKEND_NAMES).default('auto'),
    }),
    async action({ images, tenCrop, backend: backendName, ...flags }, { environment, result }) {
      const { model, weights, notes, mean } = await readTrainedModel(flags);
      const views = createViews(notes, mean, model.inputShape[0], tenCrop ? 'ten' : 'center');
      const pipeline = createPixelPipeline({
        resize: { ...notes.preparation, size: notes.shape },
        turbojpeg: findTurbojpeg(environment.turbojpeg).turbojpeg,
      });
      const backend = await openBackend(backendName, { allowSoftwareGpu: environment.allowSoftwareGpu });
      const classifier = createClassifier(backend, model, weights);
      try {
        const answers: { image: string; guesses: (Prediction & { id: string; name: string })[] }[] = [];
        for (const image of images) {
          const pixels = views(await readImage(image, pipeline));
          const [guesses] = await classifier.classify(pixels, tenCrop ? NUM_CROPS : 1);
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

function describe(image: string, guesses: readonly (Prediction & { id: string; name: string })[]): string {
  return [
    image,
    ...guesses.map(({ probability, id, name }) => `  ${(probability * 100).toFixed(1).padStart(5)} %  ${id}  ${name}`),
  ].join('\n');
}
