/** Typed access to a message of a .prototxt file that knows what has been asked for, so that nothing is passed over in silence. */
import { MillraceError } from '../../../lib/core/errors.js';
import type { TextMessage, TextScalar, TextValue } from './text-format.js';

export interface FieldReader {
  /** Each throws ERR_VERIFICATION when the field has another type, or several values; undefined when it is not there. */
  number(name: string): number | undefined;
  /** A whole number of at least `min`. */
  integer(name: string, min: number): number | undefined;
  boolean(name: string): boolean | undefined;
  /** A string, or the name of an enum's value. */
  text(name: string): string | undefined;
  numbers(name: string): number[];
  messages(name: string): FieldReader[];
  message(name: string): FieldReader | undefined;
  /** Of these fields, the names of those that are there. They count as asked for. */
  present(names: readonly string[]): string[];
  /** Throws ERR_VERIFICATION when the message has a field that nobody has asked for. */
  finish(): void;
  /** An error at a field's place, or at the message's. */
  error(problem: string, name?: string): MillraceError;
}

/** `what` names the message in errors. */
export function readFields(message: TextMessage, path: string, what: string): FieldReader {
  const asked = new Set<string>();
  const valuesOf = (name: string): readonly TextValue[] => {
    asked.add(name);
    return message.fields.get(name) ?? [];
  };
  const error = (problem: string, name?: string): MillraceError => {
    const { line } = (name === undefined ? undefined : message.fields.get(name)?.[0]) ?? message;
    return new MillraceError('ERR_VERIFICATION', `${path}:${line}: ${what}: ${problem}`, { context: { path, line } });
  };
  const scalars = (name: string): readonly TextScalar[] =>
    valuesOf(name).map((value) => {
      if ('fields' in value) throw error(`${name} should be a value, not a message`, name);
      return value;
    });
  const single = <T>(name: string, values: readonly T[]): T | undefined => {
    if (values.length > 1) throw error(`${name} is given ${values.length} times`, name);
    return values.at(0);
  };
  const toNumber = (name: string, { text, isQuoted }: TextScalar): number => {
    const value = Number(text.replace(/f$/i, ''));
    if (isQuoted || text === '' || !Number.isFinite(value))
      throw error(`${name} should be a number, not "${text}"`, name);
    return value;
  };
  const messages = (name: string): FieldReader[] =>
    valuesOf(name).map((value) => {
      if (!('fields' in value)) throw error(`${name} should be a message, not "${value.text}"`, name);
      return readFields(value, path, `${what} ${name}`);
    });
  return {
    number(name) {
      const value = single(name, scalars(name));
      return value && toNumber(name, value);
    },
    integer(name, min) {
      const value = single(name, scalars(name));
      if (value === undefined) return undefined;
      const number = toNumber(name, value);
      if (Number.isSafeInteger(number) && number >= min) return number;
      throw error(`${name} should be a whole number of at least ${min}, not "${value.text}"`, name);
    },
    boolean(name) {
      const value = single(name, scalars(name));
      if (value === undefined) return undefined;
      if (!/^(true|t|1|false|f|0)$/i.test(value.text))
        throw error(`${name} should be true or false, not "${value.text}"`, name);
      return /^(true|t|1)$/i.test(value.text);
    },
    text: (name) => single(name, scalars(name))?.text,
    numbers: (name) => scalars(name).map((value) => toNumber(name, value)),
    messages,
    message: (name) => single(name, messages(name)),
    present: (names) => names.filter((name) => valuesOf(name).length > 0),
    finish() {
      const left = [...message.fields.keys()].find((name) => !asked.has(name));
      if (left !== undefined) throw error(`${left} is not supported here; take it out`, left);
    },
    error,
  };
}
