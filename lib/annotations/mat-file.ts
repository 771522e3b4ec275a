/**
 * Reading a variable out of a MATLAB level 5 MAT-file, as MathWorks' "MAT-File Format" lays it out: little-endian, compressed or
 * not; numbers, text, cells and structs, which is what ILSVRC's development kits use.
 */
import { inflateSync } from 'node:zlib';

/** Elements in MATLAB's order, by columns. Text is one string. */
export type MatValue = number[] | string | MatCells | MatStructs;

export interface MatCells {
  readonly kind: 'cells';
  readonly cells: readonly MatValue[];
}

/** A struct array: a map of its fields an element. */
export interface MatStructs {
  readonly kind: 'structs';
  readonly structs: readonly ReadonlyMap<string, MatValue>[];
}

const HEADER_BYTES = 128;
const MI_MATRIX = 14;
const MI_COMPRESSED = 15;
const CLASS = { cell: 1, struct: 2, char: 4, double: 6, uint64: 15 };
/** ILSVRC2012's meta.mat has less than 1 MB. */
const MAX_INFLATED_BYTES = 256 << 20;

/** How numbers of each storage type are read; the class of an array may be wider than its storage. */
const NUMBERS: ReadonlyMap<number, readonly [bytes: number, read: (bytes: Buffer, at: number) => number]> = new Map([
  [1, [1, (bytes: Buffer, at: number) => bytes.readInt8(at)]],
  [2, [1, (bytes: Buffer, at: number) => bytes.readUInt8(at)]],
  [3, [2, (bytes: Buffer, at: number) => bytes.readInt16LE(at)]],
  [4, [2, (bytes: Buffer, at: number) => bytes.readUInt16LE(at)]],
  [5, [4, (bytes: Buffer, at: number) => bytes.readInt32LE(at)]],
  [6, [4, (bytes: Buffer, at: number) => bytes.readUInt32LE(at)]],
  [7, [4, (bytes: Buffer, at: number) => bytes.readFloatLE(at)]],
  [9, [8, (bytes: Buffer, at: number) => bytes.readDoubleLE(at)]],
  [12, [8, (bytes: Buffer, at: number) => Number(bytes.readBigInt64LE(at))]],
  [13, [8, (bytes: Buffer, at: number) => Number(bytes.readBigUInt64LE(at))]],
]);
const TEXT_ENCODINGS: ReadonlyMap<number, BufferEncoding> = new Map([
  [1, 'latin1'],
  [2, 'latin1'],
  [4, 'utf16le'],
  [16, 'utf8'],
  [17, 'utf16le'],
]);

/** Throws SyntaxError when the file is of another kind, malformed, or has no such variable. */
export function readMatVariable(file: Buffer, variable: string): MatValue {
  if (file.length < HEADER_BYTES || file.toString('latin1', 126, 128) !== 'IM' || file[125] !== 1) {
    throw new SyntaxError('expected a little-endian MAT-file of level 5');
  }
  try {
    for (const element of elementsOf(file.subarray(HEADER_BYTES))) {
      const matrix = element.type === MI_COMPRESSED ? inflated(element.data) : element;
      if (matrix.type !== MI_MATRIX) continue;
      const { name, value } = readMatrix(matrix.data, (found) => found === variable);
      if (name === variable && value !== undefined) return value;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new SyntaxError('the MAT-file is cut off or malformed', { cause: error });
  }
  throw new SyntaxError(`the MAT-file has no variable "${variable}"`);
}

interface Element {
  readonly type: number;
  readonly data: Buffer;
}

/** The elements that lie one after the other in `bytes`. Throws RangeError when one is cut off. */
function* elementsOf(bytes: Buffer): Generator<Element> {
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes.readUInt32LE(at);
    // Up to four bytes of data stand in the tag itself, their number in the upper half of its first word.
    const smallBytes = tag >>> 16;
    const begin = smallBytes > 0 ? at + 4 : at + 8;
    const type = smallBytes > 0 ? tag & 0xffff : tag;
    const length = smallBytes > 0 ? smallBytes : bytes.readUInt32LE(at + 4);
    if (begin + length > bytes.length) throw new RangeError(`an element of ${length} bytes is cut off`);
    yield { type, data: bytes.subarray(begin, begin + length) };
    // Everything but a compressed element is padded to whole words of eight bytes.
    const end = smallBytes > 0 ? at + 8 : begin + length;
    at = type === MI_COMPRESSED ? end : Math.ceil(end / 8) * 8;
  }
}

function inflated(data: Buffer): Element {
  let bytes: Buffer;
  try {
    bytes = inflateSync(data, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch (error) {
    throw new SyntaxError('a compressed variable of the MAT-file cannot be inflated', { cause: error });
  }
  return nextOf(elementsOf(bytes));
}

/** Reads the content of a matrix element, unless its name is not wanted. */
function readMatrix(
  data: Buffer,
  isWanted: (name: string) => boolean = () => true,
): { readonly name: string; readonly value: MatValue | undefined } {
  // An element of no bytes stands for an empty array.
  if (data.length === 0) return { name: '', value: [] };
  const parts = elementsOf(data);
  const matrixClass = nextOf(parts).data[0];
  const count = numbersOf(nextOf(parts)).reduce((product, size) => product * size, 1);
  const name = nextOf(parts).data.toString('latin1');
  if (!isWanted(name)) return { name, value: undefined };
  if (matrixClass === CLASS.struct) return { name, value: readStructs(parts, count) };
  if (matrixClass === CLASS.cell) return { name, value: { kind: 'cells', cells: readValues(parts, count) } };
  if (matrixClass === CLASS.char) return { name, value: textOf(nextOf(parts)) };
  if (matrixClass >= CLASS.double && matrixClass <= CLASS.uint64) return { name, value: numbersOf(nextOf(parts)) };
  throw new SyntaxError(`the MAT-file holds an array of class ${matrixClass}, which is not read`);
}

function readStructs(parts: Generator<Element>, count: number): MatStructs {
  const [nameBytes] = numbersOf(nextOf(parts));
  const packedNames = nextOf(parts).data.toString('latin1');
  if (!(nameBytes > 0) || packedNames === '') throw new SyntaxError('the MAT-file holds structs without fields');
  const names = Array.from({ length: packedNames.length / nameBytes }, (_, i) =>
    packedNames.slice(i * nameBytes, (i + 1) * nameBytes).replace(/\0.*$/s, ''),
  );
  const structs = Array.from({ length: count }, () => {
    const values = readValues(parts, names.length);
    return new Map(names.map((name, i) => [name, values[i]]));
  });
  return { kind: 'structs', structs };
}

function readValues(parts: Generator<Element>, count: number): MatValue[] {
  return Array.from({ length: count }, () => readMatrix(nextOf(parts).data).value ?? []);
}

function numbersOf({ type, data }: Element): number[] {
  const format = NUMBERS.get(type);
  if (format === undefined) throw new SyntaxError(`the MAT-file stores numbers as type ${type}, which is not read`);
  const [bytes, read] = format;
  return Array.from({ length: Math.floor(data.length / bytes) }, (_, i) => read(data, i * bytes));
}

function textOf({ type, data }: Element): string {
  const encoding = TEXT_ENCODINGS.get(type);
  if (encoding === undefined) throw new SyntaxError(`the MAT-file stores text as type ${type}, which is not read`);
  return data.toString(encoding);
}

function nextOf(elements: Generator<Element>): Element {
  const next = elements.next();
  if (next.done === true) throw new RangeError('an element is missing');
  return next.value;
}
