/** First values of parameters, by Caffe's names, drawn from the keyed hash: a function of seed, name and place alone. */
import { absorb, absorbInteger, absorbText, HashTag, mix32 } from '../../../lib/core/keyed-hash.js';
import { numElementsOf, type ParameterSpec } from './parameter-spec.js';

/** The first values of a parameter, in the order of its tensor. `seed` is of `[0, 2^53)`. The array is the caller's. */
export function fillParameter({ name, shape, filler }: ParameterSpec, seed: number): Float32Array<ArrayBuffer> {
  const values = new Float32Array(numElementsOf(shape));
  const key = absorbText(absorbInteger(mix32(HashTag.parameter), seed), name);
  switch (filler.type) {
    case 'constant':
      return values.fill(filler.value);
    case 'gaussian':
      return fillNormal(values, filler.std, key);
    case 'xavier':
      return fillUniform(values, Math.sqrt(3 / fanInOf(shape)), key);
    case 'msra': {
      const fan = filler.varianceNorm === 'fan_in' ? fanInOf(shape) : fanOutOf(shape);
      return fillNormal(values, Math.sqrt(2 / fan), key);
    }
  }
}

/** Inputs of one output: the last axis counts the outputs. */
function fanInOf(shape: readonly number[]): number {
  return numElementsOf(shape.slice(0, -1));
}

/** Outputs that one input goes into: the last axis but one counts the inputs. */
function fanOutOf(shape: readonly number[]): number {
  return numElementsOf(shape) / shape[shape.length - 2];
}

/** A uniform draw of `(0, 1)`. */
function draw(key: number, index: number): number {
  return (absorb(key, index) + 0.5) / 0x1_0000_0000;
}

/** `[-bound, bound]` */
function fillUniform<T extends Float32Array>(values: T, bound: number, key: number): T {
  for (let i = 0; i < values.length; i++) values[i] = bound * (2 * draw(key, i) - 1);
  return values;
}

/** Box and Muller's transform of two uniform draws per value. */
function fillNormal<T extends Float32Array>(values: T, std: number, key: number): T {
  for (let i = 0; i < values.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(draw(key, 2 * i)));
    values[i] = std * radius * Math.cos(2 * Math.PI * draw(key, 2 * i + 1));
  }
  return values;
}
