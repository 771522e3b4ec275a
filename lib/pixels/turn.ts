/** Turning pixels as EXIF's orientation says. */
import type { Size } from './image.js';

/** The size of an image of that orientation, 1..8, once it is turned; and the other way round. */
export function turnedSize({ width, height }: Size, orientation: number): Size {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}

/**
 * Turns interleaved pixels, `[height, width, channels]`, into `room`, which is as long and of {@link turnedSize}.
 *
 * @param orientation 2..8; from 5 on rows become columns
 */
export function turn(
  { width, height, channels }: Size & { readonly channels: number },
  data: Uint8Array,
  orientation: number,
  room: Uint8Array,
): void {
  const isTransposed = orientation >= 5;
  const isFlippedAcross = [2, 3, 7, 8].includes(orientation);
  const isFlippedDown = [3, 4, 6, 7].includes(orientation);
  const turned = turnedSize({ width, height }, orientation);
  let to = 0;
  for (let y = 0; y < turned.height; y++) {
    for (let x = 0; x < turned.width; x++) {
      const column = isTransposed ? y : x;
      const row = isTransposed ? x : y;
      const pixel = (isFlippedDown ? height - 1 - row : row) * width + (isFlippedAcross ? width - 1 - column : column);
      for (let channel = 0; channel < channels; channel++) room[to++] = data[pixel * channels + channel];
    }
  }
}
