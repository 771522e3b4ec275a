/** Labels as rows of probabilities: one-hot, smoothed (Szegedy et al. 2016), mixed with a partner's. */
import { partnerOf, type MixDraw } from './mix-draws.js';

/**
 * `[N, numClasses]`: each row is `1 − smoothing` on its label and `smoothing / numClasses` on every class; with `mix` it is lambda
 * times its own and 1 − lambda times its partner's. Throws RangeError when a label is not in `[0, numClasses)`.
 */
export function softLabels(
  labels: Int32Array,
  numClasses: number,
  smoothing: number,
  mix?: readonly MixDraw[],
): Float32Array {
  const wrong = labels.findIndex((label) => label < 0 || label >= numClasses);
  if (wrong >= 0) throw new RangeError(`expected labels of [0, ${numClasses}), got ${labels[wrong]}`);
  const rows = new Float32Array(labels.length * numClasses).fill(smoothing / numClasses);
  labels.forEach((label, i) => {
    const lambda = mix?.[i].lambda ?? 1;
    rows[i * numClasses + label] += (1 - smoothing) * lambda;
    if (lambda < 1) rows[i * numClasses + labels[partnerOf(i)]] += (1 - smoothing) * (1 - lambda);
  });
  return rows;
}
