import type { Backend } from '../backend/backend.js';
import type { Model } from '../models/model.js';
import { numElementsOf } from '../models/parameter-spec.js';
import type { NamedTensor } from './safetensors.js';

/** One guess. */
export interface Prediction {
  readonly label: number;
  /** `[0, 1]` */
  readonly probability: number;
}

/** A trained model, ready to be asked. */
export interface Classifier {
  /**
   * The likeliest classes of each image, the likeliest first: five, or all when there are fewer. `images` is `[N · V, H, W, C]` of
   * the model's input shape, mean-subtracted and in the channel order of the training: V views of each image behind each other,
   * whose probabilities are averaged. Throws RangeError when it is no whole number of images.
   */
  classify(images: Float32Array, numViews?: number): Promise<Prediction[][]>;
  /** Frees the weights. */
  close(): void;
}

const NUM_GUESSES = 5;

/** `weights` are the model's parameters and statistics by name; those of auxiliary heads are not needed. */
export function createClassifier(
  { tf }: Backend,
  { inputShape, numClasses, logits }: Model,
  weights: ReadonlyMap<string, NamedTensor>,
): Classifier {
  const tensors = new Map(
    [...weights].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape], 'float32')]),
  );
  const numPixels = numElementsOf(inputShape);
  return {
    async classify(images, numViews = 1) {
      const numImages = images.length / numPixels / numViews;
      if (!Number.isInteger(numImages) || numImages === 0) {
        throw new RangeError(
          `expected images of ${numPixels} values (${inputShape.join('×')}) each, ${numViews} times, got ${images.length} values`,
        );
      }
      const { values, indices } = tf.tidy(() => {
        const views = tf.tensor4d(images, [numImages * numViews, ...inputShape]);
        const probabilities = tf.softmax(logits({ tf, tensors }, views));
        const mean = tf.mean(tf.reshape(probabilities, [numImages, numViews, numClasses]), 1);
        return tf.topk(mean, Math.min(NUM_GUESSES, numClasses));
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
    close: () => tf.dispose([...tensors.values()]),
  };
}
