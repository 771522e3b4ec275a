/**
 * Weights of torchvision's ResNets as ours, whose layers have the same names and numbers. Its images are R, G, B, over 255 and
 * over a deviation; here they are B, G, R in grey levels, so the first convolution's inputs are turned round and divided.
 */
import { MillraceError } from '../../../lib/core/errors.js';
import type { Model } from '../models/model.js';
import { RESNET_PLANS } from '../models/resnet.js';
import { outputsFirst, toOutputsLast } from '../train/outputs-first.js';
import type { NamedTensor } from '../train/safetensors.js';

/** Of R, G, B, in torchvision's presets for ImageNet. */
const STD = [0.229, 0.224, 0.225] as const;
const FIRST_CONVOLUTION = 'conv1.weight';
const CLASSIFIER_BIAS = 'fc.bias';

/** Classes that the file's classifier tells apart; undefined when there is none. */
export function numClassesOf(tensors: ReadonlyMap<string, NamedTensor>): number | undefined {
  return tensors.get(CLASSIFIER_BIAS)?.shape[0];
}

/**
 * All parameters and statistics of the model; what else a state dict has is left out. Throws ERR_VERIFICATION when the model is no
 * ResNet, or the file lacks a tensor, or has it with another shape.
 */
export function weightsOfStateDict(
  model: Model,
  tensors: ReadonlyMap<string, NamedTensor>,
  path: string,
): Map<string, NamedTensor> {
  const fail = (problem: string): never => {
    throw new MillraceError('ERR_VERIFICATION', `${path} ${problem}`, { context: { path } });
  };
  if (!Object.hasOwn(RESNET_PLANS, model.name)) {
    return fail(
      `is no checkpoint of "millrace train"; PyTorch's weights can be had for ${Object.keys(RESNET_PLANS).join(', ')}, not ${model.name}`,
    );
  }
  return new Map(
    [...model.parameters, ...model.statistics].map(({ name, shape }) => {
      const expected = outputsFirst(shape);
      const tensor = tensors.get(name);
      if (tensor?.shape.join() !== expected.join()) {
        return fail(
          `is neither a checkpoint of "millrace train" nor torchvision's ${model.name}: for ${name} expected the shape ` +
            `[${expected.join(', ')}], got ${tensor === undefined ? 'none' : `[${tensor.shape.join(', ')}]`}`,
        );
      }
      const data = toOutputsLast(tensor.data, expected);
      return [name, { shape, data: name === FIRST_CONVOLUTION ? forGreyLevels(data, shape) : data }] as const;
    }),
  );
}

/** `[rows, columns, R G B, outputs]` to what gives the same of B, G, R in `[0, 255]`. */
function forGreyLevels(data: Float32Array, [, , numChannels, numOutputs]: readonly number[]): Float32Array {
  return data.map((_, i) => {
    const output = i % numOutputs;
    const position = (i - output) / numOutputs;
    const channel = position % numChannels;
    const mirrored = numChannels - 1 - channel;
    return data[(position - channel + mirrored) * numOutputs + output] / (255 * STD[mirrored]);
  });
}
