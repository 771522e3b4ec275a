import type { ListDatasetsResponse, Split } from '../../../protos/gen/millrace/v1/batch.js';
import type { Manifest } from '../../../lib/shards/manifest.js';
import type { ServerContext } from '../context.js';

/** ListDatasets: the finished splits under the root. */
export async function listDatasets(context: ServerContext): Promise<ListDatasetsResponse> {
  return { splits: (await context.store.list()).map(wireSplitOf) };
}

export function wireSplitOf(manifest: Manifest): Split {
  const { dataset, split, version, numSamples, shape } = manifest;
  return { dataset, split, version, numSamples, ...shape };
}
