/**
 * Weights of a caffemodel as a model's. Layers are found by name. Inputs that were an image stay plane by plane, as the models here
 * flatten. Channels stay B, G, R, as the batches here have them.
 */
import { MillraceError } from '../../../lib/core/errors.js';
import type { Model } from '../models/model.js';
import { outputsFirst, toOutputsLast } from '../train/outputs-first.js';
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
    const expected = outputsFirst(parameter.shape);
    if (blob === undefined || withoutOnes(blob.shape) !== withoutOnes(expected)) {
      throw new MillraceError(
        'ERR_VERIFICATION',
        `${path} does not fit model ${model.name}: for ${parameter.name} expected a blob of shape ` +
          `[${expected.join(', ')}], got ${blob === undefined ? 'none' : `[${blob.shape.join(', ')}]`}`,
        { context: { path, parameter: parameter.name } },
      );
    }
    weights.set(parameter.name, { shape: parameter.shape, data: toOutputsLast(blob.data, expected) });
  }
  return weights;
}

/** Old files have axes of 1 in front, where new ones have none. */
function withoutOnes(shape: readonly number[]): string {
  return shape.filter((size) => size !== 1).join('×');
}
