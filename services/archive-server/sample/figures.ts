/**
 * The ten classes: each is a region of the plane, told by whether a point is inside. Integer arithmetic only, so that the
 * pictures are the same on every machine.
 */
import type { Dice } from './dice.js';

/** Whether a pixel is of the figure; x to the right, y down, in pixels of the picture. */
export type Figure = (x: number, y: number) => boolean;

export interface FigureClass {
  readonly name: string;
  /** A figure at a place, of a size and with a phase of the dice's choice, in a picture of `width` × `height` pixels. */
  readonly draw: (dice: Dice, width: number, height: number) => Figure;
}

/** A figure around a centre; `radius` is half of its extent. */
const placed =
  (figure: (radius: number, dice: Dice) => (dx: number, dy: number) => boolean): FigureClass['draw'] =>
  (dice, width, height) => {
    const side = Math.min(width, height);
    const radius = dice.between(Math.floor(side / 4), Math.floor((side * 9) / 20));
    const x0 = dice.between(radius, width - radius + 1);
    const y0 = dice.between(radius, height - radius + 1);
    const isInside = figure(radius, dice);
    return (x, y) => isInside(x - x0, y - y0);
  };

/** A pattern over the whole picture; `period` is the width of one stripe or cell. */
const tiled =
  (pattern: (period: number, x: number, y: number) => boolean): FigureClass['draw'] =>
  (dice, width, height) => {
    const side = Math.min(width, height);
    const period = dice.between(Math.floor(side / 11), Math.floor(side / 6));
    // Large enough that the coordinates stay positive when a pattern takes their difference.
    const xShift = 4096 * period + dice.between(0, 2 * period);
    const yShift = dice.between(0, 2 * period);
    return (x, y) => pattern(period, x + xShift, y + yShift);
  };

const isOdd = (value: number): boolean => (value & 1) === 1;

/** In the order of their labels. */
export const FIGURE_CLASSES: readonly FigureClass[] = [
  { name: 'disk', draw: placed((r) => (dx, dy) => dx * dx + dy * dy <= r * r) },
  {
    name: 'ring',
    draw: placed((r) => {
      const inner = Math.floor((r * 3) / 5);
      return (dx, dy) => dx * dx + dy * dy <= r * r && dx * dx + dy * dy >= inner * inner;
    }),
  },
  {
    name: 'square',
    draw: placed((r) => {
      const half = Math.floor((r * 9) / 10);
      return (dx, dy) => Math.max(Math.abs(dx), Math.abs(dy)) <= half;
    }),
  },
  {
    name: 'triangle',
    draw: placed((r, dice) => {
      const up = dice.between(0, 2) === 0 ? 1 : -1;
      return (dx, dy) => Math.abs(dy) <= r && 2 * Math.abs(dx) <= up * dy + r;
    }),
  },
  {
    name: 'cross',
    draw: placed((r) => {
      const arm = Math.floor(r / 4);
      return (dx, dy) => Math.max(Math.abs(dx), Math.abs(dy)) <= r && Math.min(Math.abs(dx), Math.abs(dy)) <= arm;
    }),
  },
  { name: 'horizontal stripes', draw: tiled((period, _x, y) => isOdd(Math.floor(y / period))) },
  { name: 'vertical stripes', draw: tiled((period, x) => isOdd(Math.floor(x / period))) },
  {
    name: 'diagonal stripes',
    draw: (dice, width, height) => {
      const slope = dice.between(0, 2) === 0 ? 1 : -1;
      return tiled((period, x, y) => isOdd(Math.floor((x + slope * y) / (period + (period >> 1)))))(
        dice,
        width,
        height,
      );
    },
  },
  { name: 'checkerboard', draw: tiled((period, x, y) => isOdd(Math.floor(x / period) + Math.floor(y / period))) },
  {
    name: 'dots',
    draw: tiled((period, x, y) => {
      const cell = 2 * period;
      const dx = (x % cell) - period;
      const dy = (y % cell) - period;
      return 9 * (dx * dx + dy * dy) <= 4 * period * period;
    }),
  },
];
