/** The table at the end of `millrace run`. */
import { formatAmount, formatBytes, formatCount, formatDuration, inThousands } from '../../lib/platform/progress.js';
import type { MainJobResult } from './main-job.js';

/** One line a fact, and the commands to do the same on one's own data. */
export function summarize({ download, prepare, train }: MainJobResult, root: string, totalSeconds: number): string {
  const rows: [string, string][] = [];
  for (const { file, bytes, bytesFetched, resumedAt, md5, isVerified } of download.archives) {
    const how = [
      bytesFetched === 0 ? 'was there' : `${formatBytes(bytesFetched)} fetched of ${formatBytes(bytes)}`,
      ...resumedAt.map((offset) => `resumed at ${formatBytes(offset)}`),
      `MD5 ${md5}`,
      isVerified ? 'verified' : 'no digest known to compare with',
    ];
    rows.push([file, how.join(', ')]);
  }
  for (const split of prepare.splits) {
    const speed =
      split.imagesPerSecond === undefined ? 'prepared before' : `${formatAmount(split.imagesPerSecond, 'images')}/s`;
    rows.push([
      `${split.split}: images in`,
      `${inThousands(split.numSamples + split.numRejected)} in, ${inThousands(split.numRejected)} rejected, ${speed}`,
    ]);
    for (const [reason, count] of Object.entries(split.rejectedReasons))
      rows.push(['  rejected', `${count} × ${reason}`]);
    rows.push([`${split.split}: shards`, `${formatCount(split.numShards, 'LMDB shard')}, ${formatBytes(split.bytes)}`]);
  }
  const { accuracy, steps, batchSize, backend, device, firstLoss, lastLoss, imagesPerSecond, waitShare } = train;
  rows.push(
    ['train: steps', `${steps} of ${batchSize} images on ${backend} (${device})`],
    ['train: loss', `first ${formatLoss(firstLoss)}, last ${formatLoss(lastLoss)}`],
    [
      'train: speed',
      imagesPerSecond === 0
        ? 'trained before'
        : `${formatAmount(imagesPerSecond, 'images')}/s, ${percent(waitShare)} of the time waiting for data`,
    ],
    [
      'val: accuracy',
      `${percent(accuracy.top1)} top-1, ${percent(accuracy.top5)} top-5 of ${accuracy.numSamples} images`,
    ],
    ['checkpoint', train.checkpoint],
    ['total', formatDuration(totalSeconds)],
  );
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    '',
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
    '',
    'The same on your own data (a .yaml file that describes it, or a name of "millrace catalog"):',
    `  millrace download my-images.yaml --root ${root}`,
    `  millrace prepare my-images.yaml --root ${root} && millrace serve --root ${root}`,
    '  millrace train my-images.yaml --server 127.0.0.1:50051      # on this machine or another one',
  ].join('\n');
}

function formatLoss(loss: number | undefined): string {
  return loss === undefined ? '–' : loss.toFixed(3);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
