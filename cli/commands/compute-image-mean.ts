import type { Command } from 'commander';
import { z } from 'zod';
import { writeFileAtomic } from '../../lib/platform/atomic-file.js';
import { encodeBlobProto, type MeanImage } from '../../lib/shards/blob-proto.js';
import { computeImageMean } from '../../workers/compute-image-mean.js';
import { defineCommand } from '../command.js';
import { backendFlag } from './convert-imageset.js';
import { acceptGflags } from './gflags.js';

/** `millrace compute-image-mean`: Caffe's tool of that name; its file is the same to the last bit. */
export function addComputeImageMeanCommand(program: Command): void {
  defineCommand(program, {
    usage: 'compute-image-mean <input-db> [output-file]',
    summary: "Caffe's compute_image_mean: the mean image of an LMDB or LevelDB of Datums, as a BlobProto file",
    examples: [
      'millrace compute-image-mean train_lmdb imagenet_mean.binaryproto',
      'millrace compute-image-mean --backend=leveldb train_leveldb imagenet_mean.binaryproto',
    ],
    flags: (command) => acceptGflags(command.option('--backend <name>', 'lmdb or leveldb', 'lmdb'), []),
    schema: z.object({ inputDb: z.string().min(1), outputFile: z.string().min(1).optional(), backend: backendFlag }),
    async action({ inputDb, outputFile, backend }, { reporter, signal, result }) {
      const onProgress = (done: number, total: number | undefined): void =>
        reporter.progress({ stage: 'mean', unit: 'images', done, ...(total === undefined ? {} : { total }) });
      const mean = await computeImageMean(backend, inputDb, onProgress, signal);
      if (outputFile !== undefined) await writeFileAtomic(outputFile, encodeBlobProto(mean));
      const channels = channelMeans(mean);
      result(
        { shape: mean.shape, channels, output: outputFile ?? null },
        [
          `Number of channels: ${channels.length}`,
          ...channels.map((value, channel) => `mean_value channel [${channel}]: ${value.toFixed(3)}`),
        ].join('\n'),
      );
    },
  });
}

/** The average of each plane, B, G, R. */
function channelMeans({ shape, data }: MeanImage): number[] {
  const plane = shape.height * shape.width;
  return Array.from({ length: shape.channels }, (_, channel) => {
    const pixels = data.subarray(channel * plane, (channel + 1) * plane);
    return pixels.reduce((sum, value) => sum + value, 0) / plane;
  });
}
