/** Between one channel and three. */

// libpng's weights of 0.299, 0.587 and 0.114, which OpenCV asks it for; it does not round.
const RED = 9797;
const GREEN = 19_234;
const BLUE = 3737;
const SHIFT = 15;

/** The luma of interleaved R, G, B, a new array: what OpenCV makes of a colour PNG that is read as grey. */
export function greyOf(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let pixel = 0, from = 0; pixel < grey.length; pixel++, from += 3) {
    grey[pixel] = (rgb[from] * RED + rgb[from + 1] * GREEN + rgb[from + 2] * BLUE) >> SHIFT;
  }
  return grey;
}

/** Writes each value three times; `room` is three times as long. */
export function replicateGrey(grey: Uint8Array, room: Uint8Array): void {
  for (let pixel = 0, to = 0; pixel < grey.length; pixel++, to += 3) {
    room[to] = room[to + 1] = room[to + 2] = grey[pixel];
  }
}
