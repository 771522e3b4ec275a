import assert from 'node:assert/strict';
import { createModel } from '../../../../../services/trainer/models/catalog.js';
import { numClassesOf, weightsOfStateDict } from '../../../../../services/trainer/torch/torch-weights.js';
import { outputsFirst } from '../../../../../services/trainer/train/outputs-first.js';

// What they give is compared with PyTorch in clients/python/tests/test_trainer.py.
describe("PyTorch's state dict", () => {
  const model = createModel('resnet-18', [32, 32, 3], 5);
  const stateDict = new Map(
    [...model.parameters, ...model.statistics].map(({ name, shape }) => [
      name,
      {
        shape: outputsFirst(shape),
        data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
      },
    ]),
  );

  it('says how many classes it tells apart', () => {
    assert.equal(numClassesOf(stateDict), 5);
    assert.equal(numClassesOf(new Map()), undefined);
  });

  it('gives each weight its place, what else it has left out', () => {
    const more = new Map([...stateDict, ['other', { shape: [1], data: Float32Array.of(1) }]]);
    const weights = weightsOfStateDict(model, more, 'x');
    assert.deepEqual([...weights.keys()], [...stateDict.keys()]);
    // [outputs 5, inputs 512]: the second value is of the first output's second input.
    assert.equal(weights.get('fc.weight')!.data[5], 1);
    // [64, 3, 7, 7]: the first pixel of the first output, R, comes last here, over 255 and R's deviation.
    const [blue, , red] = [0, 1, 2].map((channel) => weights.get('conv1.weight')!.data[channel * 64 + 64 * 3]);
    assert.ok(Math.abs(red - 1 / (255 * 0.229)) < 1e-6);
    assert.ok(Math.abs(blue - (2 * 49 + 1) / (255 * 0.225)) < 1e-4);
  });

  it('of another net is refused with what was expected', () => {
    const deeper = createModel('resnet-50', [32, 32, 3], 5);
    assert.throws(
      () => weightsOfStateDict(deeper, stateDict, 'x'),
      /^MillraceError: x is neither .* torchvision's resnet-50: for layer1.0.conv1.weight expected the shape \[64, 64, 1, 1\], got \[64, 64, 3, 3\]/,
    );
    assert.throws(
      () => weightsOfStateDict(createModel('caffenet', [67, 67, 3], 5), stateDict, 'x'),
      /x is no checkpoint of "millrace train"; PyTorch's weights can be had for resnet-18, resnet-34, resnet-50, not caffenet/,
    );
  });
});
