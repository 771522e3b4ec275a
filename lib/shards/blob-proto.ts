/**
 * Caffe's `BlobProto` as compute_image_mean writes it: num 1, channels 2, height 3, width 4 (varints), data 5 (packed
 * float32). Little endian.
 */
import { MillraceError } from '../core/errors.js';
import { numElements, type SampleShape } from '../core/tensor.js';

/** A mean image: `data` is planar `[channels, height, width]` in B, G, R order, in grey levels. */
export interface MeanImage {
  readonly shape: SampleShape;
  readonly data: Float32Array;
}

/** The file's bytes; for 3×256×256 they are 786,446. */
export function encodeBlobProto({ shape, data }: MeanImage): Buffer {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const head = [0x08, 1, 0x10, ...varint(shape.channels), 0x18, ...varint(shape.height), 0x20, ...varint(shape.width)];
  return Buffer.concat([Buffer.from([...head, 0x2a, ...varint(bytes.length)]), bytes]);
}

/** Reads a mean file, whoever wrote it. Throws ERR_SHARD_CORRUPT naming `path` when it is not a BlobProto of one image, or of another shape than `expected`. */
export function decodeBlobProto(bytes: Uint8Array, path: string, expected?: SampleShape): MeanImage {
  const fail = (what: string): never => {
    throw new MillraceError('ERR_SHARD_CORRUPT', `${path}: expected a BlobProto mean file: ${what}`, {
      context: { path },
    });
  };
  let position = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 35; scale *= 128) {
      if (position >= bytes.length) fail('it ends in the middle of a number');
      const byte = bytes[position++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return fail('a number is too long');
  };
  const dims = new Map<number, number>();
  let data = new Float32Array();
  while (position < bytes.length) {
    const tag = readVarint();
    if ((tag & 7) === 0) {
      dims.set(tag >>> 3, readVarint());
    } else if (tag === 0x2a) {
      const length = readVarint();
      if (length % 4 !== 0 || position + length > bytes.length) fail('its data is cut short');
      // A copy: float32 views must be aligned.
      data = new Float32Array(new Uint8Array(bytes.subarray(position, position + length)).buffer);
      position += length;
    } else {
      fail(`unexpected field ${tag >>> 3}`);
    }
  }
  const shape = { channels: dims.get(2) ?? 0, height: dims.get(3) ?? 0, width: dims.get(4) ?? 0 };
  if (data.length === 0 || (dims.get(1) ?? 1) !== 1 || numElements(shape) !== data.length) {
    fail(`${data.length} numbers for ${textOf(shape)}`);
  }
  if (expected !== undefined && textOf(expected) !== textOf(shape)) {
    fail(`it is ${textOf(shape)}, its pictures are ${textOf(expected)}`);
  }
  return { shape, data };
}

function textOf({ channels, height, width }: SampleShape): string {
  return `${channels}×${height}×${width}`;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}
