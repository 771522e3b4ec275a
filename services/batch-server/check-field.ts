/** Checks of request fields: one sentence form, and the field's name as the proto has it. */
import { UsageError } from '../../lib/core/errors.js';

/** Throws UsageError naming the field when it is not right. */
export function check(isRight: boolean, field: string, expected: string, got: unknown): asserts isRight {
  if (!isRight) throw new UsageError(field, `${field}: expected ${expected}, got ${String(got)}`);
}

/** A finite number of `[min, max]`. */
export function checkNumber(value: number, field: string, min: number, max: number): number {
  check(value >= min && value <= max, field, `a number of [${min}, ${max}]`, value);
  return value;
}

/** What an enum's number stands for: proto3 lets clients send numbers that nobody has defined. */
export function enumOf<T>(names: Readonly<Record<number, T>>, value: number, field: string): T {
  check(value in names, field, `one of ${Object.keys(names).join(', ')}`, value);
  return names[value];
}
