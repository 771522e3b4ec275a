/** The two 16-bit floats that batches come in, to and from their bits. Numbers are rounded to the nearest, ties to even. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** Bits of the bfloat16 nearest to a float32: its upper half. The value must be a number. */
export function toBfloat16(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0];
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** Exact. */
export function fromBfloat16(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0];
}

const FLOAT16_MAX_EXPONENT = 15;
const FLOAT16_MIN_EXPONENT = -14;
const FLOAT16_FRACTION = 2 ** 10;

/** Bits of the IEEE 754 binary16 nearest to a float32; infinity from 65,520 on. The value must be a number. */
export function toFloat16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(Math.fround(value));
  const exponent = Math.max(FLOAT16_MIN_EXPONENT, exponentOf(magnitude));
  if (exponent > FLOAT16_MAX_EXPONENT) return sign | 0x7c00;
  // In steps of the last place. A carry goes on into the exponent, and from the largest number to infinity.
  const steps = roundHalfEven((magnitude / 2 ** exponent) * FLOAT16_FRACTION);
  return sign | ((exponent - FLOAT16_MIN_EXPONENT) * FLOAT16_FRACTION + steps);
}

/** Exact. */
export function fromFloat16(bits: number): number {
  const fraction = bits & (FLOAT16_FRACTION - 1);
  const biased = (bits >>> 10) & 0x1f;
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  if (biased === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (biased === 0) return sign * fraction * 2 ** (FLOAT16_MIN_EXPONENT - 10);
  return sign * (FLOAT16_FRACTION + fraction) * 2 ** (biased - 1 + FLOAT16_MIN_EXPONENT - 10);
}

function exponentOf(magnitude: number): number {
  scratch[0] = magnitude;
  return (scratchBits[0] >>> 23) - 127;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
