import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MillraceError } from '../../../../../lib/core/errors.js';
import { decodeTensorFile, encodeTensorFile } from '../../../../../services/trainer/train/safetensors.js';

/** A file by hand: a header as it is to be, or as JSON, then the data. */
function fileOf(header: unknown, data: Uint8Array = new Uint8Array()): Uint8Array {
  const isRaw = typeof header === 'string' || header instanceof Uint8Array;
  const text = Buffer.from(isRaw ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
}

const tensor = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }).chain((shape) => {
  const length = shape.reduce((product, axis) => product * axis, 1);
  return fc.record(
    { shape: fc.constant(shape), data: fc.float32Array({ minLength: length, maxLength: length }) },
    { noNullPrototype: true },
  );
});
const names = fc.stringMatching(/^[a-z][a-z0-9.]{0,9}$/);
const files = fc.record(
  {
    tensors: fc
      .uniqueArray(fc.tuple(names, tensor), { selector: ([name]) => name, maxLength: 5 })
      .map((list) => new Map(list)),
    metadata: fc.dictionary(names, fc.string(), { noNullPrototype: true }),
  },
  { noNullPrototype: true },
);

describe('a safetensors file', () => {
  it('reads back as what was written, to the last bit', () => {
    fc.assert(
      fc.property(files, (file) => {
        assert.deepEqual(decodeTensorFile(Buffer.concat(encodeTensorFile(file)), 'x'), file);
      }),
    );
  });

  it('has the bytes that the format says', () => {
    const tensors = new Map([['w', { shape: [2], data: Float32Array.of(1, -2) }]]);
    const header = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    const data = Buffer.from([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    assert.deepEqual(Buffer.concat(encodeTensorFile({ tensors, metadata: { a: 'b' } })), fileOf(padded, data));
  });

  it('is not copied: pieces are views of the tensors, tensors views of the bytes, unless those lie askew in memory', () => {
    const data = Float32Array.of(1, 2, 3);
    const [head, piece] = encodeTensorFile({ tensors: new Map([['w', { shape: [3], data }]]), metadata: {} });
    assert.equal(piece.buffer, data.buffer);
    const length = head.length + piece.length;
    for (const offset of [0, 1, 2, 4]) {
      const bytes = new Uint8Array(length + offset).subarray(offset);
      bytes.set(head);
      bytes.set(piece, head.length);
      const read = decodeTensorFile(bytes, 'x').tensors.get('w')!.data;
      assert.deepEqual(read, data);
      assert.equal(read.buffer === bytes.buffer, offset % 4 === 0);
    }
  });

  it('may have integers, which are passed over', () => {
    const header = {
      numBatches: { dtype: 'I64', shape: [], data_offsets: [0, 8] },
      w: { dtype: 'F32', shape: [1], data_offsets: [8, 12] },
    };
    const { tensors } = decodeTensorFile(fileOf(header, new Uint8Array(12)), 'x');
    assert.deepEqual([...tensors.keys()], ['w']);
  });

  it('is refused at whatever byte it is cut off', () => {
    const tensors = new Map([['w', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]);
    const whole = Buffer.concat(encodeTensorFile({ tensors, metadata: {} }));
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decodeTensorFile(whole.subarray(0, length), 'cut'), isVerificationError('cut'));
    }
  });

  it('is not written when a tensor has not as many values as its shape says', () => {
    const tensors = new Map([['w', { shape: [3], data: Float32Array.of(1, 2) }]]);
    assert.throws(
      () => encodeTensorFile({ tensors, metadata: {} }),
      /expected w of shape \[3\] to have 3 values, got 2/,
    );
  });

  const f32 = (begin: number, end: number, shape = [1]) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });
  for (const { what, header, numBytes = 0, problem } of [
    { what: 'a header that is no JSON', header: '{', problem: /header cannot be read/ },
    { what: 'a header that is no object', header: '7', problem: /not a JSON object/ },
    { what: 'a header that is no UTF-8', header: Uint8Array.of(0x22, 0xff, 0x22), problem: /header cannot be read/ },
    { what: 'metadata of numbers', header: { __metadata__: { a: 1 } }, problem: /not a map of strings/ },
    {
      what: 'another dtype',
      header: { w: { ...f32(0, 4), dtype: 'F16' } },
      numBytes: 4,
      problem: /w: dtype is not F32/,
    },
    { what: 'a negative size', header: { w: f32(0, 4, [-1]) }, numBytes: 4, problem: /tensor w: shape/ },
    { what: 'a field too many', header: { w: { ...f32(0, 4), more: 1 } }, numBytes: 4, problem: /tensor w:.*more/ },
    {
      what: 'offsets that differ from the shape',
      header: { w: f32(0, 8) },
      numBytes: 8,
      problem: /should be the bytes \[0, 4\)/,
    },
    { what: 'offsets past the end', header: { w: f32(0, 8, [2]) }, numBytes: 4, problem: /of 4, not \[0, 8\)/ },
    { what: 'a gap between tensors', header: { a: f32(0, 4), b: f32(8, 12) }, numBytes: 12, problem: /tensor b/ },
    { what: 'two tensors in one place', header: { a: f32(0, 4), b: f32(0, 4) }, numBytes: 4, problem: /tensor b/ },
    {
      what: 'bytes of no tensor',
      header: { a: f32(0, 4) },
      numBytes: 6,
      problem: /2 bytes at its end belong to no tensor/,
    },
  ]) {
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => decodeTensorFile(fileOf(header, new Uint8Array(numBytes)), 'bad.safetensors'),
        (error: unknown) => {
          assert.ok(isVerificationError('bad.safetensors')(error));
          assert.match((error as Error).message, problem);
          return true;
        },
      );
    });
  }
});

function isVerificationError(path: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof MillraceError &&
    error.code === 'ERR_VERIFICATION' &&
    error.message.startsWith(`${path} is not a whole`);
}
