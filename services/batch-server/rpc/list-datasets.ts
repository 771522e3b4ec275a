import { Fit, Resize, type ListDatasetsResponse, type Split } from '../../../protos/gen/millrace/v1/batch.js';
import type { Manifest } from '../../../lib/shards/manifest.js';
import type { ServerContext } from '../context.js';

/** ListDatasets: the finished splits under the root. */
export async function listDatasets(context: ServerContext): Promise<ListDatasetsResponse> {
  return { splits: (await context.store.list()).map(wireSplitOf) };
}

export function wireSplitOf(manifest: Manifest): Split {
  const { dataset, split, version, numSamples, shape, options } = manifest;
  const preparation = { resize: RESIZE[options.resize], fit: FIT[options.fit] };
  return { dataset, split, version, numSamples, ...shape, preparation };
}

const RESIZE: Readonly<Record<Manifest['options']['resize'], Resize>> = {
  caffe: Resize.CAFFE,
  area: Resize.AREA,
  // Such splits are not served: their images differ in shape.
  none: Resize.UNSPECIFIED,
};

const FIT: Readonly<Record<Manifest['options']['fit'], Fit>> = {
  exact: Fit.EXACT,
  cover: Fit.COVER,
  'short-side': Fit.UNSPECIFIED,
};
