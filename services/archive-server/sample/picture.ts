/** One picture: a figure in one colour upon a background that shades from one colour to another, with noise over both. */
import type { InterleavedImage } from '../../../lib/pixels/image.js';
import { createDice, type Dice } from './dice.js';
import { FIGURE_CLASSES } from './figures.js';

export interface PictureKey {
  /** 0 for train, 1 for val. */
  readonly split: number;
  readonly label: number;
  /** Number of the picture within its split and class. */
  readonly index: number;
  /** 1 draws the luma alone. */
  readonly channels: 1 | 3;
}

type Colour = readonly [red: number, green: number, blue: number];

/** Least distance in luma of figure and background: a figure that nobody sees teaches nothing. */
const MIN_CONTRAST = 70;
/** How far the background's second colour may be from its first, per channel. */
const MAX_SHADE = 40;
const MAX_NOISE = 16;

/** Draws a picture; its size varies about 150×120, and every fifth one stands upright. The data is the caller's. */
export function drawPicture({ split, label, index, channels }: PictureKey): InterleavedImage {
  const dice = createDice(split, label, index);
  const long = dice.between(130, 171);
  const short = dice.between(100, 131);
  const [width, height] = dice.between(0, 5) === 0 ? [short, long] : [long, short];
  const isInside = FIGURE_CLASSES[label].draw(dice, width, height);
  const [ink, ground] = drawContrast(dice);
  const shade: Colour = [drawShade(dice), drawShade(dice), drawShade(dice)];
  const isShadedAcross = dice.between(0, 2) === 0;

  const data = new Uint8Array(width * height * channels);
  let noise = dice.bits() | 1;
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      noise = xorshift(noise);
      const grain = ((noise >>> 24) % (2 * MAX_NOISE + 1)) - MAX_NOISE;
      const isInk = isInside(x, y);
      const along = isShadedAcross ? x / width : y / height;
      const level = (channel: 0 | 1 | 2): number =>
        (isInk ? ink[channel] : ground[channel] + Math.floor(shade[channel] * along)) + grain;
      if (channels === 1) {
        data[at++] = clamp(luma([level(0), level(1), level(2)]));
      } else {
        data[at++] = clamp(level(0));
        data[at++] = clamp(level(1));
        data[at++] = clamp(level(2));
      }
    }
  }
  return { data, width, height, channels };
}

/** Two colours far enough apart. */
function drawContrast(dice: Dice): readonly [Colour, Colour] {
  while (true) {
    const pair = [drawColour(dice), drawColour(dice)] as const;
    if (Math.abs(luma(pair[0]) - luma(pair[1])) >= MIN_CONTRAST) return pair;
  }
}

function drawColour(dice: Dice): Colour {
  return [dice.between(0, 256), dice.between(0, 256), dice.between(0, 256)];
}

function drawShade(dice: Dice): number {
  return dice.between(-MAX_SHADE, MAX_SHADE + 1);
}

/** BT.601's weights in 1/256. */
function luma([red, green, blue]: Colour): number {
  return (77 * red + 150 * green + 29 * blue) >> 8;
}

function clamp(value: number): number {
  return Math.max(0, Math.min(255, value));
}

/** Marsaglia's 32-bit xorshift: noise needs speed, not quality. */
function xorshift(state: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  return state ^ (state << 5);
}
