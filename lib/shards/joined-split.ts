/** Several splits read as one: ids are dense over all of them, in order. */
import { MillraceError } from '../core/errors.js';
import type { SplitReader } from './split-reader.js';

/** What a batch is made from, be it one split or several. */
export type SampleReader = Pick<SplitReader, 'keyOf' | 'read'> & {
  readonly folder: string;
};

/** The splits stay their owner's: there is nothing to close. One split is read as it is. */
export function joinSplits(splits: readonly SplitReader[]): SampleReader {
  if (splits.length === 1) return splits[0];
  const begins: number[] = [];
  let numSamples = 0;
  for (const { manifest } of splits) {
    begins.push(numSamples);
    numSamples += manifest.numSamples;
  }
  const splitOf = (sampleId: number): number => {
    if (!(sampleId >= 0 && sampleId < numSamples)) {
      throw new MillraceError('ERR_OUT_OF_RANGE', `expected a sample id of [0, ${numSamples}), got ${sampleId}`);
    }
    return begins.findLastIndex((begin) => begin <= sampleId);
  };
  return {
    folder: splits.map(({ folder }) => folder).join(', '),
    keyOf(sampleId) {
      const index = splitOf(sampleId);
      return splits[index].keyOf(sampleId - begins[index]);
    },
    read(ids, visit) {
      splits.forEach((split, index) => {
        const places = Array.from({ length: ids.length }, (_, place) => place).filter(
          (place) => splitOf(ids[place]) === index,
        );
        split.read(
          places.map((place) => ids[place] - begins[index]),
          (datum, at) => visit(datum, places[at]),
        );
      });
    },
  };
}
