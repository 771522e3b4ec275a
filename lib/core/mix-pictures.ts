/** Mixes the pictures of a batch with their partners, as drawn by `mixOf`. */
import { partnerOf, type Box, type MixDraw } from './mix-draws.js';
import type { Layout, SampleShape } from './tensor.js';

/**
 * Mixes in place. `images` holds one picture of `shape` after the other in `layout`, one a draw; an even number. Mixup computes
 * `lambda · own + (1 − lambda) · partner` in float64 and rounds once.
 */
export function mixPictures(images: Float32Array, shape: SampleShape, layout: Layout, draws: readonly MixDraw[]): void {
  const size = shape.height * shape.width * shape.channels;
  const before = new Float32Array(2 * size);
  for (let first = 0; first < draws.length; first += 2) {
    before.set(images.subarray(first * size, (first + 2) * size));
    for (const index of [first, first + 1]) {
      const own = images.subarray(index * size, (index + 1) * size);
      const partner = before.subarray((partnerOf(index) - first) * size, (partnerOf(index) - first + 1) * size);
      const { lambda, box } = draws[index];
      if (box === undefined) {
        for (let i = 0; i < size; i++) own[i] = lambda * own[i] + (1 - lambda) * partner[i];
      } else {
        paste(own, partner, shape, layout, box);
      }
    }
  }
}

function paste(own: Float32Array, partner: Float32Array, shape: SampleShape, layout: Layout, box: Box): void {
  const { width, height, channels } = shape;
  const isInterleaved = layout === 'NHWC';
  const pixel = isInterleaved ? channels : 1;
  for (let plane = 0; plane < (isInterleaved ? 1 : channels); plane++) {
    for (let y = box.top; y < box.bottom; y++) {
      const row = (plane * height + y) * width;
      const begin = (row + box.left) * pixel;
      own.set(partner.subarray(begin, (row + box.right) * pixel), begin);
    }
  }
}
