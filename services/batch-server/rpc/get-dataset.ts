import type { GetDatasetRequest, GetDatasetResponse } from '../../../protos/gen/millrace/v1/batch.js';
import type { ServerContext } from '../context.js';
import { wireSplitOf } from './list-datasets.js';

/** GetDataset: shape, labels and mean of one split. Throws ERR_NOT_FOUND. */
export async function getDataset(context: ServerContext, request: GetDatasetRequest): Promise<GetDatasetResponse> {
  const lease = await context.store.acquire(request.dataset, request.split);
  try {
    const { manifest, mean } = lease.split;
    return {
      split: wireSplitOf(manifest),
      labels: manifest.classes,
      classCounts: manifest.classCounts ?? [],
      mean: {
        channelMean: manifest.channelMean,
        channelStd: manifest.channelStd,
        image: Buffer.from(mean.data.buffer, mean.data.byteOffset, mean.data.byteLength),
      },
    };
  } finally {
    await lease.release();
  }
}
