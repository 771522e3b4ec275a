import type { Backend } from '../backend/backend.js';
import { createModel } from '../models/catalog.js';
import type { Model } from '../models/model.js';
import { numElementsOf } from '../models/parameter-spec.js';
import { checkWeights, type Checkpoint } from './checkpoint.js';
import { readCheckpoint } from './checkpoint-folder.js';

/** One guess. */
export interface Prediction {
  readonly label: number;
  /** `[0, 1]` */
  readonly probability: number;
}

/** A trained model, ready to be asked. */
export interface Classifier {
  readonly model: Model;
  readonly checkpoint: Checkpoint;
  /**
   * The likeliest classes of each image, the likeliest first: five, or all when there are fewer. `images` is `[N, H, W, C]` of the
   * model's input shape, mean-subtracted and in the channel order of the training. Throws RangeError when it is no whole number of
   * images.
   */
  classify(images: Float32Array): Promise<Prediction[][]>;
  /** Frees the weights. */
  close(): void;
}

const NUM_GUESSES = 5;

/** Throws ERR_NOT_FOUND, or ERR_VERIFICATION when the file is not a whole checkpoint of a known model. */
export async function openClassifier({ tf }: Backend, path: string): Promise<Classifier> {
  const checkpoint = await readCheckpoint(path);
  const { name, inputShape, numClasses } = checkpoint.model;
  const model = createModel(name, inputShape, numClasses);
  checkWeights(model, checkpoint.weights, path);
  const weights = new Map(
    [...checkpoint.weights].map(([parameter, { shape, data }]) => [parameter, tf.tensor(data, [...shape], 'float32')]),
  );
  const numPixels = numElementsOf(inputShape);

  return {
    model,
    checkpoint,
    async classify(images) {
      const numImages = images.length / numPixels;
      if (!Number.isInteger(numImages) || numImages === 0) {
        throw new RangeError(
          `expected images of ${numPixels} values (${inputShape.join('×')}) each, got ${images.length} values`,
        );
      }
      const { values, indices } = tf.tidy(() => {
        const logits = model.logits({ tf, tensors: weights }, tf.tensor4d(images, [numImages, ...inputShape]));
        return tf.topk(tf.softmax(logits), Math.min(NUM_GUESSES, numClasses));
      });
      const [probabilities, labels] = await Promise.all([values.data(), indices.data()]);
      tf.dispose([values, indices]);
      const numGuesses = labels.length / numImages;
      return Array.from({ length: numImages }, (_, image) =>
        Array.from({ length: numGuesses }, (__, guess) => {
          const at = image * numGuesses + guess;
          return { label: labels[at], probability: probabilities[at] };
        }),
      );
    },
    close: () => tf.dispose([...weights.values()]),
  };
}
