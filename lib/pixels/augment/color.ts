/**
 * Color jitter and lighting on the window of a planar image, in place: integers throughout, each step rounded and clamped to
 * `[0, 255]`, as image libraries do it.
 */
import { FACTOR_ONE, MATRIX_ONE, type ColorStep } from '../../core/color-draws.js';
import type { Rectangle } from '../../core/resized-crop.js';
import type { SampleShape } from '../../core/tensor.js';

/** A planar image `[3, H, W]` in B, G, R order, and the part of it that is meant. */
export interface ColorImage {
  readonly data: Uint8Array;
  readonly shape: SampleShape;
  readonly window: Rectangle;
}

/** One step of a jitter; `contrast` is about the mean grey of the window. */
export function applyColorStep(image: ColorImage, step: ColorStep): void {
  switch (step.kind) {
    case 'brightness':
      applyTable(
        image,
        tableOf((value) => blend(value, 0, step.factor)),
      );
      return;
    case 'contrast': {
      const grey = meanGrey(image);
      applyTable(
        image,
        tableOf((value) => blend(value, grey, step.factor)),
      );
      return;
    }
    case 'saturation':
      saturate(image, step.factor);
      return;
    case 'hue':
      rotateHue(image, step.matrix);
      return;
  }
}

/** Adds whole grey levels to the channels, B, G, R. */
export function applyLighting(image: ColorImage, levels: readonly number[]): void {
  applyTables(
    image,
    levels.map((level) => tableOf((value) => clamp(value + level))),
  );
}

/** `towards` + factor · (value − `towards`), rounded. */
function blend(value: number, towards: number, factor: number): number {
  return clamp(towards + ((factor * (value - towards) + FACTOR_ONE / 2) >> 16));
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** ITU-R 601's luma, weights of 16 bits. */
function greyOf(b: number, g: number, r: number): number {
  return (7471 * b + 38470 * g + 19595 * r + 0x8000) >> 16;
}

function meanGrey(image: ColorImage): number {
  let sum = 0;
  forEachRow(image, (data, begin, end, plane) => {
    for (let i = begin; i < end; i++) sum += greyOf(data[i], data[i + plane], data[i + 2 * plane]);
  });
  return Math.floor(sum / (image.window.height * image.window.width) + 0.5);
}

function saturate(image: ColorImage, factor: number): void {
  forEachRow(image, (data, begin, end, plane) => {
    for (let i = begin; i < end; i++) {
      const b = data[i];
      const g = data[i + plane];
      const r = data[i + 2 * plane];
      const grey = greyOf(b, g, r);
      data[i] = blend(b, grey, factor);
      data[i + plane] = blend(g, grey, factor);
      data[i + 2 * plane] = blend(r, grey, factor);
    }
  });
}

function rotateHue(image: ColorImage, m: Int32Array): void {
  const half = MATRIX_ONE / 2;
  forEachRow(image, (data, begin, end, plane) => {
    for (let i = begin; i < end; i++) {
      const b = data[i];
      const g = data[i + plane];
      const r = data[i + 2 * plane];
      data[i + 2 * plane] = clamp((m[0] * r + m[1] * g + m[2] * b + half) >> 14);
      data[i + plane] = clamp((m[3] * r + m[4] * g + m[5] * b + half) >> 14);
      data[i] = clamp((m[6] * r + m[7] * g + m[8] * b + half) >> 14);
    }
  });
}

function tableOf(map: (value: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => map(value));
}

function applyTable(image: ColorImage, table: Uint8Array): void {
  applyTables(image, [table, table, table]);
}

/** A table for each channel. */
function applyTables(image: ColorImage, tables: readonly Uint8Array[]): void {
  forEachRow(image, (data, begin, end, plane) => {
    for (let c = 0; c < tables.length; c++) {
      const table = tables[c];
      for (let at = begin + c * plane, last = end + c * plane; at < last; at++) data[at] = table[data[at]];
    }
  });
}

/** Visits the window's rows as `[begin, end)` of the first plane; the other planes lie `plane` further on each. */
function forEachRow(
  { data, shape, window }: ColorImage,
  visit: (data: Uint8Array, begin: number, end: number, plane: number) => void,
): void {
  for (let y = window.y; y < window.y + window.height; y++) {
    const begin = y * shape.width + window.x;
    visit(data, begin, begin + window.width, shape.height * shape.width);
  }
}
