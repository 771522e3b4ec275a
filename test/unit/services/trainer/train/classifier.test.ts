import assert from 'node:assert/strict';
import { openBackend } from '../../../../../services/trainer/backend/backend.js';
import { createClassifier } from '../../../../../services/trainer/train/classifier.js';
import { initialState } from '../../../../../services/trainer/train/learner.js';
import { createTestNet } from '../../../../integration/train-run.js';
import { drawSample, NUM_CLASSES } from '../memory-stream.js';

describe('a classifier', () => {
  it('averages the probabilities of the views of an image', async () => {
    const backend = await openBackend('wasm');
    const { numTensors } = backend.tf.memory();
    const model = createTestNet();
    const { weights } = initialState(model, { rule: 'sgd' }, 1);
    // Larger logits, so that the views differ.
    const last = weights.get('fc.weight')!.data;
    last.forEach((value, i) => (last[i] = 100 * value));
    const classifier = createClassifier(backend, model, weights);
    const views = [drawSample(0, 1), drawSample(0, 2), drawSample(0, 3), drawSample(0, 4)];
    const pixels = Float32Array.from(views.flatMap((view) => [...view]));
    const alone = await classifier.classify(pixels);
    const byTwo = await classifier.classify(pixels, 2);
    assert.deepEqual([alone.length, byTwo.length], [4, 2]);
    const { tf } = backend;
    const probabilities = tf.tidy(() => {
      const tensors = new Map([...weights].map(([name, { data, shape }]) => [name, tf.tensor(data, [...shape])]));
      return tf.softmax(model.logits({ tf, tensors }, tf.tensor4d(pixels, [4, ...model.inputShape]))).dataSync();
    });
    byTwo.forEach((guesses, image) => {
      for (const { label, probability } of guesses) {
        const [a, b] = [0, 1].map((view) => probabilities[(2 * image + view) * NUM_CLASSES + label]);
        assert.ok(Math.abs(probability - (a + b) / 2) < 1e-6);
      }
    });
    await assert.rejects(classifier.classify(pixels, 3), /768 values \(16×16×3\) each, 3 times, got 3072 values/);
    classifier.close();
    assert.equal(tf.memory().numTensors, numTensors);
  });
});
