/**
 * Caffe and PyTorch have a weight's outputs first, `[outputs, inputs, rows, columns]` or `[outputs, inputs]`; here they are last,
 * `[rows, columns, inputs, outputs]` or `[inputs, outputs]`.
 */
import { numElementsOf } from '../models/parameter-spec.js';

/** A shape from here with its outputs first. */
export function outputsFirst(shape: readonly number[]): readonly number[] {
  switch (shape.length) {
    case 4:
      return [shape[3], shape[2], shape[0], shape[1]];
    case 2:
      return [shape[1], shape[0]];
    default:
      return shape;
  }
}

/** Values with their outputs last; `shape` is theirs as they come, outputs first. A copy. */
export function toOutputsLast(
  data: Float32Array,
  [numOutputs, numInputs = 1, ...places]: readonly number[],
): Float32Array {
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
