/** Which samples a request is for: its selections and sources, as the law's selection. */
import type { Selection as WireSelection, StreamBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import { lengthOf, type Selection } from '../../lib/core/selection.js';
import type { SplitReader } from '../../lib/shards/split-reader.js';
import { check, checkNumber } from './check-field.js';

const MAX_CLASS_WEIGHT = 2 ** 20;
const MAX_SOURCE_WEIGHT = 2 ** 31;

/**
 * The selection over the request's splits, opened and in its order. Labels are read only when classes play a part.
 * Throws UsageError naming the field; what reading labels throws.
 */
export async function selectionOf(request: StreamBatchesRequest, splits: readonly SplitReader[]): Promise<Selection> {
  if (request.sources.length === 0) return selectFrom(splits[0], 0, request.selection, 'selection');
  const weights = request.sources.map(({ weight }, i) =>
    checkNumber(weight, `sources[${i}].weight`, 0, MAX_SOURCE_WEIGHT),
  );
  const isBySize = weights.every((weight) => weight === 0);
  weights.forEach((weight, i) => {
    check(isBySize || weight > 0, `sources[${i}].weight`, 'a weight in all sources or in none', weight);
  });
  const parts: { weight: number; of: Selection }[] = [];
  let begin = 0;
  for (const [i, split] of splits.entries()) {
    const of = await selectFrom(split, begin, request.sources[i].selection, `sources[${i}].selection`);
    parts.push({ weight: isBySize ? lengthOf(of) : weights[i], of });
    begin += split.manifest.numSamples;
  }
  return { kind: 'mix', parts };
}

/** Samples of one split, whose ids begin at `begin`. */
async function selectFrom(
  split: SplitReader,
  begin: number,
  wire: WireSelection | undefined,
  field: string,
): Promise<Selection> {
  const { numSamples } = split.manifest;
  const { ids = [], classes = [], classWeights = [], balanceClasses = false } = wire ?? {};
  const isByClass = classes.length > 0 || balanceClasses || classWeights.length > 0;
  if (ids.length > 0) {
    check(!isByClass, `${field}.ids`, 'none beside classes, balance_classes or class_weights', `${ids.length} ids`);
    checkDistinct(ids, `${field}.ids`, numSamples);
    return { kind: 'list', ids: Float64Array.from(ids), begin };
  }
  if (!isByClass) return { kind: 'range', begin, end: begin + numSamples };

  checkDistinct(classes, `${field}.classes`, 2 ** 31);
  if (classWeights.length > 0) {
    check(!balanceClasses, `${field}.class_weights`, 'none beside balance_classes', `${classWeights.length} weights`);
    const expected = `as many as there are classes, ${classes.length}`;
    check(classWeights.length === classes.length, `${field}.class_weights`, expected, classWeights.length);
    for (const weight of classWeights) checkNumber(weight, `${field}.class_weights`, 1, MAX_CLASS_WEIGHT);
  }
  const idsByLabel = await split.idsByLabel();
  const wanted = classes.length > 0 ? classes : [...idsByLabel.keys()].sort((a, b) => a - b);
  const lists = wanted.map((label) => {
    const own = idsByLabel.get(label);
    check(own !== undefined, `${field}.classes`, 'labels that some sample has', label);
    return own;
  });
  if (!balanceClasses && classWeights.length === 0) return { kind: 'list', ids: concatenate(lists).sort(), begin };
  return {
    kind: 'mix',
    parts: lists.map((ids, i) => ({ weight: classWeights[i] ?? 1, of: { kind: 'list', ids, begin } })),
  };
}

function concatenate(lists: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const list of lists) {
    all.set(list, end);
    end += list.length;
  }
  return all;
}

function checkDistinct(values: readonly number[], field: string, end: number): void {
  const sorted = Float64Array.from(values).sort();
  sorted.forEach((value, i) => {
    check(value < end, field, `numbers below ${end}`, value);
    check(i === 0 || value !== sorted[i - 1], field, 'each number once', `${value} twice`);
  });
}
