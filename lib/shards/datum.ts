/**
 * Caffe's `Datum`, byte for byte as Caffe writes it (caffe.proto, proto2: channels 1, height 2, width 3, data 4, label 5,
 * float_data 6, encoded 7).
 */
import { MillraceError } from '../core/errors.js';
import type { SampleShape } from '../core/tensor.js';

/** A record's value, taken apart. `data` is a view of the bytes it was read from, and valid as long as they are. */
export interface Datum {
  /** Zeros for an encoded image: Caffe does not write its shape. */
  readonly shape: SampleShape;
  /** Raw pixels, planar `[channels, height, width]` in B, G, R order; or, when `isEncoded`, an image file. */
  readonly data: Uint8Array;
  readonly label: number;
  readonly isEncoded: boolean;
}

const WIRE_VARINT = 0;
const WIRE_BYTES = 2;

/** A record's bytes, one part after the other; the middle one is the data as it was given, not a copy. */
export type DatumParts = readonly [head: Uint8Array, data: Uint8Array, tail: Uint8Array];

/** The record of raw pixels: `encoded = false` is written too, as Caffe's set_encoded(false) does. */
export function rawDatumParts(shape: SampleShape, data: Uint8Array, label: number): DatumParts {
  const head = [0x08, ...varint(shape.channels), 0x10, ...varint(shape.height), 0x18, ...varint(shape.width)];
  const tail = [0x28, ...varint(label), 0x38, 0x00];
  return [Uint8Array.from([...head, 0x22, ...varint(data.length)]), data, Uint8Array.from(tail)];
}

/** The record of an image file; like Caffe's, it does not tell its shape. */
export function fileDatumParts(file: Uint8Array, label: number): DatumParts {
  const tail = [0x28, ...varint(label), 0x38, 0x01];
  return [Uint8Array.from([0x22, ...varint(file.length)]), file, Uint8Array.from(tail)];
}

/** {@link rawDatumParts} in one new buffer. */
export function encodeRawDatum(shape: SampleShape, data: Uint8Array, label: number): Buffer {
  return Buffer.concat(rawDatumParts(shape, data, label));
}

/** {@link fileDatumParts} in one new buffer. */
export function encodeFileDatum(file: Uint8Array, label: number): Buffer {
  return Buffer.concat(fileDatumParts(file, label));
}

/** Throws ERR_SHARD_CORRUPT when the bytes are not a Datum of uint8 data. */
export function decodeDatum(bytes: Uint8Array): Datum {
  const reader = new WireReader(bytes);
  const shape = { channels: 0, height: 0, width: 0 };
  let data = bytes.subarray(0, 0);
  let label = 0;
  let isEncoded = false;
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    const field = tag >>> 3;
    const wireType = tag & 7;
    if (field === 4 && wireType === WIRE_BYTES) data = reader.bytes();
    else if (wireType !== WIRE_VARINT || field === 0 || field > 7) throw corrupt(`unexpected field ${field}`);
    else {
      const value = reader.varint();
      if (field === 1) shape.channels = value;
      else if (field === 2) shape.height = value;
      else if (field === 3) shape.width = value;
      else if (field === 5) label = value;
      else isEncoded = value !== 0;
    }
  }
  if (!isEncoded && (data.length === 0 || data.length !== shape.channels * shape.height * shape.width)) {
    throw corrupt(`${data.length} bytes of data for ${shape.channels}×${shape.height}×${shape.width}`);
  }
  return { shape, data, label, isEncoded };
}

/** A protobuf int32 as varint: a negative one takes ten bytes, as it is sign-extended to 64 bits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

class WireReader {
  private position = 0;

  constructor(private readonly buffer: Uint8Array) {}

  get isAtEnd(): boolean {
    return this.position === this.buffer.length;
  }

  /** The low 32 bits, signed, which is what an int32 needs. */
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= this.buffer.length) throw corrupt('it ends in the middle of a number');
      const byte = this.buffer[this.position++];
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw corrupt('a number is too long');
  }

  bytes(): Uint8Array {
    const length = this.varint();
    if (length < 0 || this.position + length > this.buffer.length) throw corrupt('its data is cut short');
    const view = this.buffer.subarray(this.position, this.position + length);
    this.position += length;
    return view;
  }
}

function corrupt(what: string): MillraceError {
  return new MillraceError('ERR_SHARD_CORRUPT', `expected a Caffe Datum of uint8 data: ${what}`);
}
