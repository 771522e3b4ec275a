/**
 * Weights of a caffemodel as a model's. Layers are found by name. A convolution's `[outputs, inputs, rows, columns]` becomes
 * `[rows, columns, inputs, outputs]`, a fully connected layer's `[outputs, inputs]` becomes `[inputs, outputs]`; inputs that were
 * an image stay plane by plane, as the models here flatten. Channels stay B, G, R, as the batches here have them.
 */
import { MillraceError } from '../../../lib/core/errors.js';
import type { Model } from '../models/model.js';
import { numElementsOf, type ParameterSpec } from '../models/parameter-spec.js';
import type { NamedTensor } from '../train/safetensors.js';
import type { CaffeLayer } from './caffemodel.js';

/**
 * All parameters of the model, those of auxiliary heads only if the file has them; what else the file has is left out.
 * Throws ERR_VERIFICATION when the file lacks a layer, or has it with another shape.
 */
export function weightsOf(model: Model, layers: readonly CaffeLayer[], path: string): Map<string, NamedTensor> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const weights = new Map<string, NamedTensor>();
  for (const parameter of model.parameters) {
    const dot = parameter.name.lastIndexOf('.');
    const layer = byName.get(parameter.name.slice(0, dot));
    if (layer === undefined && parameter.isAuxiliary) continue;
    const blob = layer?.blobs.at(parameter.name.endsWith('.weight') ? 0 : 1);
    const expected = caffeShape(parameter);
    if (blob === undefined || withoutOnes(blob.shape) !== withoutOnes(expected)) {
      throw new MillraceError(
        'ERR_VERIFICATION',
        `${path} does not fit model ${model.name}: for ${parameter.name} expected a blob of shape ` +
          `[${expected.join(', ')}], got ${blob === undefined ? 'none' : `[${blob.shape.join(', ')}]`}`,
        { context: { path, parameter: parameter.name } },
      );
    }
    weights.set(parameter.name, { shape: parameter.shape, data: outputsLast(blob.data, expected) });
  }
  return weights;
}

/** The shape of our parameter in Caffe's order of axes. */
function caffeShape({ shape }: ParameterSpec): readonly number[] {
  switch (shape.length) {
    case 4:
      return [shape[3], shape[2], shape[0], shape[1]];
    case 2:
      return [shape[1], shape[0]];
    default:
      return shape;
  }
}

/** Old files have axes of 1 in front, where new ones have none. */
function withoutOnes(shape: readonly number[]): string {
  return shape.filter((size) => size !== 1).join('×');
}

/** `[outputs, inputs, ...places]` to `[...places, inputs, outputs]`. */
function outputsLast(data: Float32Array, [numOutputs, numInputs = 1, ...places]: readonly number[]): Float32Array {
  const numPlaces = numElementsOf(places);
  const moved = new Float32Array(data.length);
  let at = 0;
  for (let place = 0; place < numPlaces; place++) {
    for (let input = 0; input < numInputs; input++) {
      for (let output = 0; output < numOutputs; output++) {
        moved[at++] = data[(output * numInputs + input) * numPlaces + place];
      }
    }
  }
  return moved;
}
