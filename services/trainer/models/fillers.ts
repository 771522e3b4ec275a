/** First values of parameters, by Caffe's names, drawn from the keyed hash: a function of seed, name and place alone. */
import { absorb, absorbInteger, HashTag, mix32 } from '../../../lib/core/keyed-hash.js';
import { numElementsOf, type ParameterSpec } from './model.js';

/** The first values of a parameter, in the order of its tensor. `seed` is of `[0, 2^53)`. The array is the caller's. */
export function fillParameter({ name, shape, filler }: ParameterSpec, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(numElementsOf(shape));
  switch (filler.type) {
    case 'constant':
      return values.fill(filler.value);
    case 'gaussian':
      return fillNormal(values, filler.std, name, seed);
    case 'msra':
      // The last axis counts the outputs, so the others make up one output's inputs.
      return fillNormal(values, Math.sqrt(2 / numElementsOf(shape.slice(0, -1))), name, seed);
  }
}

/** Box and Muller's transform of two uniform draws per value. */
function fillNormal<T extends Float32Array>(values: T, std: number, name: string, seed: number): T {
  let key = absorbInteger(mix32(HashTag.parameter), seed);
  for (let i = 0; i < name.length; i++) key = absorb(key, name.charCodeAt(i));
  const uniform = (index: number): number => (absorb(key, index) + 0.5) / 0x1_0000_0000;
  for (let i = 0; i < values.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(uniform(2 * i)));
    values[i] = std * radius * Math.cos(2 * Math.PI * uniform(2 * i + 1));
  }
  return values;
}
