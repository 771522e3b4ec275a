/** The taps of a bilinear resize as the kernels read them from memory. */
import { bilinearTaps } from './bilinear-taps.js';
import type { Size } from './image.js';

/** Addresses of the taps, multiples of 16, and of what follows them. */
export interface TapPlaces {
  /** u32 of each target column: byte offset of its first tap in a row. Columns are padded to a multiple of 8. */
  readonly offsets: number;
  /** Two i16 of each column. */
  readonly weights: number;
  /** Of each target row, i32: first and second source row, and their weights. */
  readonly rows: number;
  readonly end: number;
}

export function paddedColumns(width: number): number {
  return (width + 7) & ~7;
}

/** Where the taps of a resize to that size go. */
export function tapPlaces(begin: number, { width, height }: Size): TapPlaces {
  const weights = begin + paddedColumns(width) * 4;
  const rows = weights + paddedColumns(width) * 4;
  return { offsets: begin, weights, rows, end: rows + height * 16 };
}

/** @param pixelBytes from one pixel of a row to the next */
export function layTaps(buffer: ArrayBufferLike, places: TapPlaces, from: Size, to: Size, pixelBytes: number): void {
  const paddedWidth = paddedColumns(to.width);
  const across = bilinearTaps(from.width, to.width, 'across');
  const down = bilinearTaps(from.height, to.height, 'down');
  const offsets = new Uint32Array(buffer, places.offsets, paddedWidth);
  const weights = new Int16Array(buffer, places.weights, paddedWidth * 2);
  for (let x = 0; x < to.width; x++) {
    offsets[x] = across.first[x] * pixelBytes;
    weights[2 * x] = across.firstWeight[x];
    weights[2 * x + 1] = across.secondWeight[x];
  }
  offsets.fill(0, to.width);
  const rows = new Int32Array(buffer, places.rows, to.height * 4);
  for (let y = 0; y < to.height; y++) {
    rows[4 * y] = down.first[y];
    rows[4 * y + 1] = down.second[y];
    rows[4 * y + 2] = down.firstWeight[y];
    rows[4 * y + 3] = down.secondWeight[y];
  }
}
