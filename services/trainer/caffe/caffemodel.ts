/**
 * Caffe's .caffemodel: a binary `NetParameter`, read for its layers' blobs. Both kinds of layer messages are read, `layers` (V1,
 * in the files of 2013 and 2014) and `layer`. Fields that only describe the net are skipped.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { messageOf, MillraceError } from '../../../lib/core/errors.js';
import { numElementsOf } from '../models/parameter-spec.js';

/** A layer's weights as Caffe has them: of a convolution `[outputs, inputs / groups, rows, columns]`, of others `[outputs, inputs]`. */
export interface CaffeLayer {
  readonly name: string;
  readonly blobs: readonly CaffeBlob[];
}

export interface CaffeBlob {
  /** Old files have four axes for everything, the unused ones 1 in front. */
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Numbers of the fields that are read, by message: of Caffe's src/caffe/proto/caffe.proto. */
const NET = { layers: 2, layer: 100 } as const;
const V1_LAYER = { name: 4, blobs: 6 } as const;
const LAYER = { name: 1, blobs: 7 } as const;
const BLOB = { num: 1, channels: 2, height: 3, width: 4, data: 5, shape: 7, doubleData: 8 } as const;
const SHAPE = { dim: 1 } as const;

/** The layers that have blobs, in the file's order. The data are copies. Throws ERR_VERIFICATION naming `path` when it is no caffemodel. */
export function decodeCaffemodel(bytes: Uint8Array, path: string): CaffeLayer[] {
  try {
    const layers: CaffeLayer[] = [];
    readMessage(bytes, (field, reader) => {
      if (field !== NET.layers && field !== NET.layer) return false;
      const layer = decodeLayer(reader.bytes(), field === NET.layer ? LAYER : V1_LAYER);
      if (layer.blobs.length > 0) layers.push(layer);
      return true;
    });
    if (layers.length === 0) throw new RangeError('it has no layer with weights');
    return layers;
  } catch (error) {
    throw new MillraceError('ERR_VERIFICATION', `${path} is not a whole caffemodel: ${messageOf(error)}`, {
      cause: error,
      context: { path },
    });
  }
}

function decodeLayer(bytes: Uint8Array, fields: { readonly name: number; readonly blobs: number }): CaffeLayer {
  let name = '';
  const blobs: CaffeBlob[] = [];
  readMessage(bytes, (field, reader) => {
    if (field === fields.name) name = reader.string();
    else if (field === fields.blobs) blobs.push(decodeBlob(reader.bytes()));
    else return false;
    return true;
  });
  return { name, blobs };
}

function decodeBlob(bytes: Uint8Array): CaffeBlob {
  const dims = new Map<number, number>();
  let shape: number[] | undefined;
  let data = new Float32Array();
  readMessage(bytes, (field, reader) => {
    if (field >= BLOB.num && field <= BLOB.width) dims.set(field, reader.int32());
    else if (field === BLOB.shape) shape = decodeShape(reader.bytes());
    // A copy, since views must be aligned.
    else if (field === BLOB.data) data = new Float32Array(new Uint8Array(reader.bytes()).buffer);
    else if (field === BLOB.doubleData)
      data = Float32Array.from(new Float64Array(new Uint8Array(reader.bytes()).buffer));
    else return false;
    return true;
  });
  shape ??= [BLOB.num, BLOB.channels, BLOB.height, BLOB.width].map((field) => dims.get(field) ?? 1);
  if (numElementsOf(shape) !== data.length) {
    throw new RangeError(`a blob of shape [${shape.join(', ')}] has ${data.length} values`);
  }
  return { shape, data };
}

function decodeShape(bytes: Uint8Array): number[] {
  const dims: number[] = [];
  readMessage(bytes, (field, reader) => {
    if (field !== SHAPE.dim) return false;
    const packed = new BinaryReader(reader.bytes());
    while (packed.pos < packed.len) dims.push(Number(packed.int64()));
    return true;
  });
  return dims;
}

/** Goes through a message's fields; those that `take` does not read are skipped. */
function readMessage(bytes: Uint8Array, take: (field: number, reader: BinaryReader) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const isTaken = (wireType === WireType.Varint || wireType === WireType.LengthDelimited) && take(field, reader);
    if (!isTaken) reader.skip(wireType, field);
  }
}
