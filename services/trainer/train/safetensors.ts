/**
 * The safetensors file format, of float32 (integers, such as PyTorch's counters of batches, are passed over): 8 bytes little-endian length of the header, the header as JSON
 * (`name → { dtype, shape, data_offsets }`, and `__metadata__`, a map of strings), then the tensors' bytes without a gap.
 */
import { z } from 'zod';
import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import { numElementsOf } from '../models/parameter-spec.js';

/** Values in row-major order, as many as the shape says. */
export interface NamedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const LENGTH_BYTES = 8;
/** The data begins on a multiple of this, so that readers can map it; the header is filled up with spaces. */
const ALIGNMENT = 8;
const BYTES_PER_VALUE = 4;
const BYTES_OF = { F32: BYTES_PER_VALUE, I64: 8 } as const;
const METADATA = '__metadata__';

const size = z.int().min(0);
const entrySchema = z.strictObject({
  dtype: z.enum(['F32', 'I64'], { error: 'is not F32, the one that is read here' }),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.record(z.string(), z.string());
const headerSchema = z.record(z.string(), z.unknown());

/**
 * The file's bytes, in pieces: the header, then views of the tensors' own memory. The same content gives the same bytes. Throws
 * RangeError when a tensor has not as many values as its shape says.
 */
export function encodeTensorFile({ tensors, metadata }: TensorFile): Uint8Array[] {
  const header: Record<string, unknown> = { [METADATA]: metadata };
  let numDataBytes = 0;
  for (const [name, { shape, data }] of tensors) {
    if (data.length !== numElementsOf(shape)) {
      throw new RangeError(
        `expected ${name} of shape [${shape.join(', ')}] to have ${numElementsOf(shape)} values, got ${data.length}`,
      );
    }
    header[name] = { dtype: 'F32', shape, data_offsets: [numDataBytes, numDataBytes + data.byteLength] };
    numDataBytes += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const headerLength = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const head = new Uint8Array(LENGTH_BYTES + headerLength).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerLength), true);
  head.set(json, LENGTH_BYTES);
  return [
    head,
    ...Array.from(tensors.values(), ({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ];
}

/** Reads a whole file; the arrays are views of `bytes` where they are aligned, else copies. `path` is for messages. Throws ERR_VERIFICATION saying what is wrong with the file. */
export function decodeTensorFile(bytes: Uint8Array, path: string): TensorFile {
  const fail = (problem: string): never => {
    throw new MillraceError('ERR_VERIFICATION', `${path} is not a whole safetensors file: ${problem}`, {
      context: { path },
    });
  };
  if (bytes.length < LENGTH_BYTES) return fail(`it has ${bytes.length} bytes, not even the header's length`);
  const headerLength = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const dataBegin = LENGTH_BYTES + headerLength;
  if (dataBegin > bytes.length) {
    return fail(`its header should be ${headerLength} bytes long, but only ${bytes.length - LENGTH_BYTES} follow`);
  }
  const { [METADATA]: rawMetadata = {}, ...entries } = parseHeader(bytes.subarray(LENGTH_BYTES, dataBegin), fail);
  const metadata = metadataSchema.safeParse(rawMetadata);
  if (!metadata.success) return fail(`${METADATA} is not a map of strings`);

  const found: { name: string; dtype: keyof typeof BYTES_OF; shape: number[]; begin: number; end: number }[] = [];
  for (const [name, raw] of Object.entries(entries)) {
    const entry = entrySchema.safeParse(raw);
    if (!entry.success) {
      const issue = entry.error.issues[0];
      return fail(`tensor ${name}: ${issue.path.join('.')} ${issue.message}`);
    }
    const [begin, end] = entry.data.data_offsets;
    found.push({ ...entry.data, name, begin, end });
  }
  found.sort((a, b) => a.begin - b.begin || a.end - b.end);

  const tensors = new Map<string, NamedTensor>();
  const numDataBytes = bytes.length - dataBegin;
  let expectedBegin = 0;
  for (const { name, dtype, shape, begin, end } of found) {
    const numBytes = numElementsOf(shape) * BYTES_OF[dtype];
    if (begin !== expectedBegin || end - begin !== numBytes || end > numDataBytes) {
      return fail(
        `tensor ${name} of shape [${shape.join(', ')}] should be the bytes [${expectedBegin}, ${expectedBegin + numBytes}) ` +
          `of ${numDataBytes}, not [${begin}, ${end})`,
      );
    }
    if (dtype === 'F32')
      tensors.set(name, { shape, data: float32Of(bytes.subarray(dataBegin + begin, dataBegin + end)) });
    expectedBegin = end;
  }
  if (expectedBegin !== numDataBytes)
    return fail(`${numDataBytes - expectedBegin} bytes at its end belong to no tensor`);
  return { tensors, metadata: metadata.data };
}

function float32Of(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % BYTES_PER_VALUE === 0 ? bytes : new Uint8Array(bytes);
  return new Float32Array(buffer, byteOffset, byteLength / BYTES_PER_VALUE);
}

function parseHeader(bytes: Uint8Array, fail: (problem: string) => never): Record<string, unknown> {
  try {
    return headerSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch (error) {
    return fail(
      error instanceof z.ZodError
        ? 'its header is not a JSON object'
        : `its header cannot be read (${messageOf(error)})`,
    );
  }
}
