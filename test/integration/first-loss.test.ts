/** The first loss of Caffe's nets on ImageNet images, through the whole service. Needs the test data. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '../../lib/platform/environment.js';
import { createLogger } from '../../lib/platform/logger.js';
import { BatchServer } from '../../services/batch-server/server.js';
import { openBackend, type Backend } from '../../services/trainer/backend/backend.js';
import { connect } from '../../services/trainer/client/client.js';
import { createModel } from '../../services/trainer/models/catalog.js';
import { DEFAULT_SOLVER } from '../../services/trainer/solver/settings.js';
import { toTensors } from '../../services/trainer/train/batch-tensors.js';
import { initialState } from '../../services/trainer/train/learner.js';
import { millrace } from '../fixtures/cli.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

describe('training on the LMDB of ImageNet images', function () {
  const folder = temporaryFolder();
  let backend: Backend;

  before(async function () {
    const { testData } = readEnvironment();
    if (!existsSync(join(testData, 'ILSVRC2012_img_train.sample.tar'))) {
      process.stdout.write(`    (no archives in ${testData}: set MILLRACE_TEST_DATA to test with ImageNet images)\n`);
      this.skip();
    }
    const archives = join(folder.path, 'archives');
    const isTrain = (name: string): boolean => name.includes('_train') || name.endsWith('.txt');
    for (const name of readdirSync(testData).filter(isTrain)) cpSync(join(testData, name), join(archives, name));
    cpSync(join(testData, 'ilsvrc12-aux'), archives, { recursive: true });
    const outcome = await millrace(['prepare', 'ilsvrc2012-sample', '--split', 'train', '--root', folder.path]);
    assert.equal(outcome.code, 0, outcome.stderr);
    backend = await openBackend('wasm');
  });

  /**
   * The loss of a fresh model on a batch of 8, and what it would be on average over all labels: `log Σ exp − mean` of the logits.
   */
  async function firstLosses(name: 'caffenet' | 'alexnet'): Promise<{ loss: number; overLabels: number }> {
    const server = BatchServer.create({ root: folder.path, port: 0 }, createLogger('test', 'silent'));
    await server.start();
    const client = connect({ servers: [server.address] });
    const transform = { cropSize: 227, mirror: true, mean: 'image' } as const;
    const stream = client.stream({ dataset: 'ilsvrc2012-sample', split: 'train', batchSize: 8, seed: 1, transform });
    const { value: batch } = await stream.next();
    await stream.return();
    client.close();
    await server.destroy();
    assert.ok(batch);

    const { tf } = backend;
    const model = createModel(name, [227, 227, 3], 1000);
    const tensors = new Map(
      [...initialState(model, DEFAULT_SOLVER, 1).weights].map(([key, { data, shape }]) => {
        return [key, tf.tensor(data, [...shape])] as const;
      }),
    );
    const [loss, overLabels] = tf.tidy(() => {
      const { images, targets } = toTensors(tf, batch, model);
      const logits = model.logits({ tf, tensors }, images);
      const mean = tf.mean(tf.sub(tf.logSumExp(logits, 1), tf.mean(logits, 1)));
      return [tf.losses.softmaxCrossEntropy(targets, logits), mean].map((value) => value.dataSync()[0]);
    });
    tf.dispose([...tensors.values()]);
    return { loss, overLabels };
  }

  it('begins with a loss within 2 % of ln(1000) as AlexNet', async () => {
    const { loss, overLabels } = await firstLosses('alexnet');
    assert.ok(Math.abs(loss / Math.log(1000) - 1) < 0.02, `loss ${loss}`);
    assert.ok(Math.abs(overLabels / Math.log(1000) - 1) < 0.02, `loss over all labels ${overLabels}`);
  });

  it('begins with one a little above as CaffeNet, whose biases of 1 make its first logits differ by class', async () => {
    const { overLabels } = await firstLosses('caffenet');
    // They have a variance of about 0.46, half of which is what the loss is higher by.
    assert.ok(overLabels > Math.log(1000) && overLabels < 1.05 * Math.log(1000), `loss over all labels ${overLabels}`);
  });
});
