/** What is drawn for a sample's colors. Fixed point, so that every machine gives the same pixels. */
import { drawBelow, draw32, DrawLane, drawNormal } from './draws.js';
import type { Transform } from './transform.js';

/** 1.0 of a factor. */
export const FACTOR_ONE = 1 << 16;
/** 1.0 of an element of a hue's matrix. */
export const MATRIX_ONE = 1 << 14;

/** One step of the jitter: a factor in units of 1/65536, or a matrix `[3, 3]` over R, G, B in units of 1/16384. */
export type ColorStep =
  | { readonly kind: 'brightness' | 'contrast' | 'saturation'; readonly factor: number }
  | { readonly kind: 'hue'; readonly matrix: Int32Array };

const KINDS = ['brightness', 'contrast', 'saturation', 'hue'] as const;

/** The steps of a sample in the order drawn for it; those of strength 0 are left out. */
export function colorStepsOf(
  { colorJitter }: Pick<Transform, 'colorJitter'>,
  seed: number,
  epoch: number,
  sampleId: number,
): ColorStep[] {
  return orderOf(draw32(seed, epoch, sampleId, DrawLane.colorOrder))
    .map((index) => KINDS[index])
    .filter((kind) => colorJitter[kind] > 0)
    .map((kind): ColorStep => {
      const reach = Math.round(colorJitter[kind] * FACTOR_ONE);
      const drawn = drawBelow(2 * reach + 1, seed, epoch, sampleId, DrawLane[kind]) - reach;
      return kind === 'hue'
        ? { kind, matrix: hueMatrix(drawn / FACTOR_ONE) }
        : { kind, factor: Math.max(0, FACTOR_ONE + drawn) };
    });
}

/** One of the 24 orders of four, by a uniform word: the `k`-th left is picked, `k` below 4, 3, 2, 1. */
function orderOf(word: number): number[] {
  let rest = Math.floor((word * 24) / 0x1_0000_0000);
  const left = [0, 1, 2, 3];
  const order: number[] = [];
  for (let size = 4; size > 0; size--) {
    order.push(...left.splice(rest % size, 1));
    rest = Math.floor(rest / size);
  }
  return order;
}

/** Rotation of the colors about the grey axis, luminance kept: the matrix of hueRotate in the W3C's Filter Effects. */
function hueMatrix(turns: number): Int32Array {
  const c = Math.cos(2 * Math.PI * turns);
  const s = Math.sin(2 * Math.PI * turns);
  const rows = [
    [0.213 + 0.787 * c - 0.213 * s, 0.715 - 0.715 * c - 0.715 * s, 0.072 - 0.072 * c + 0.928 * s],
    [0.213 - 0.213 * c + 0.143 * s, 0.715 + 0.285 * c + 0.14 * s, 0.072 - 0.072 * c - 0.283 * s],
    [0.213 - 0.213 * c - 0.787 * s, 0.715 - 0.715 * c + 0.715 * s, 0.072 + 0.928 * c + 0.072 * s],
  ];
  return Int32Array.from(rows.flat(), (value) => Math.round(value * MATRIX_ONE));
}

/** Principal components of ImageNet's colors (Krizhevsky et al. 2012; figures of fb.resnet.torch): rows R, G, B, of 255 levels. */
const EIGENVECTORS = [
  [-0.5675, 0.7192, 0.4009],
  [-0.5808, -0.0045, -0.814],
  [-0.5836, -0.6948, 0.4203],
] as const;
const EIGENVALUES = [0.2175, 0.0188, 0.0045] as const;

/** Grey levels to add to a sample's channels, B, G, R, whole numbers; undefined when there is no lighting. */
export function lightingOf(
  { lighting }: Pick<Transform, 'lighting'>,
  seed: number,
  epoch: number,
  sampleId: number,
): readonly [number, number, number] | undefined {
  if (lighting === 0) return undefined;
  const along = EIGENVALUES.map(
    (value, i) => 255 * value * lighting * drawNormal(seed, epoch, sampleId, DrawLane.lighting + 6 * i),
  );
  const levelsOf = (row: readonly [number, number, number]): number =>
    Math.floor(row[0] * along[0] + row[1] * along[1] + row[2] * along[2] + 0.5);
  return [levelsOf(EIGENVECTORS[2]), levelsOf(EIGENVECTORS[1]), levelsOf(EIGENVECTORS[0])];
}
