/** Several splits read as one: ids are dense over all of them, in order. */
import { MillraceError } from '../core/errors.js';
import type { RecordPlace } from './shard-reader.js';
import type { SplitReader } from './split-reader.js';

/** Where the record of a sample of any of the splits lies; throws what their `placeOf` throws. They stay their owner's. */
export function joinPlaces(splits: readonly SplitReader[]): (sampleId: number) => RecordPlace {
  const begins: number[] = [];
  let numSamples = 0;
  for (const { manifest } of splits) {
    begins.push(numSamples);
    numSamples += manifest.numSamples;
  }
  return (sampleId) => {
    if (!(sampleId >= 0 && sampleId < numSamples)) {
      throw new MillraceError('ERR_OUT_OF_RANGE', `expected a sample id of [0, ${numSamples}), got ${sampleId}`);
    }
    const index = begins.findLastIndex((begin) => begin <= sampleId);
    return splits[index].placeOf(sampleId - begins[index]);
  };
}
