import assert from 'node:assert/strict';
import { createViews } from '../../../cli/image-views.js';

const shape = { height: 6, width: 7, channels: 3 };
const at = (channel: number, y: number, x: number): number => (channel * shape.height + y) * shape.width + x;
const pixels = Uint8Array.from({ length: 3 * 6 * 7 }, (_, i) => (i * 37) % 256);
const image = Float32Array.from({ length: pixels.length }, (_, i) => (i * 11) % 100);
const notes = { classes: [], shape, channelMean: [], scale: 1 };

/** One view, `[4, 4, 3]`, by the definition. */
function expectedView(top: number, left: number, isMirrored: boolean, meanOf: (index: number) => number): number[] {
  const values: number[] = [];
  for (let y = 0; y < 4; y++) {
    for (let x = 0; x < 4; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const source = at(channel, top + y, left + (isMirrored ? 3 - x : x));
        values.push(pixels[source] - meanOf(source));
      }
    }
  }
  return values;
}

describe('views of a picture', () => {
  it('are the middle, with the mean image subtracted at its place', () => {
    const views = createViews({ ...notes, meanMode: 'image' }, { image, channels: [] }, 4, 'center');
    assert.deepEqual(
      [...views(pixels)],
      expectedView(1, 1, false, (source) => image[source]),
    );
  });

  it('or the corners and the middle, and all of them mirrored', () => {
    const channels = [10, 20, 30];
    const views = createViews({ ...notes, meanMode: 'channel' }, { image: new Float32Array(), channels }, 4, 'ten');
    const places = [
      [0, 0],
      [0, 3],
      [2, 0],
      [2, 3],
      [1, 1],
    ];
    const meanOf = (source: number): number => channels[Math.floor(source / 42)];
    const expected = [false, true].flatMap((isMirrored) =>
      places.flatMap(([top, left]) => expectedView(top, left, isMirrored, meanOf)),
    );
    assert.deepEqual([...views(pixels)], expected);
  });
});
