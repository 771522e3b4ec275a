/** The table at the end of `millrace run`. */
import { formatBytes, formatDuration } from '../../lib/platform/progress.js';
import type { MainJobResult } from './main-job.js';

/** One line a fact, and the commands to do the same on one's own data. */
export function summarize({ download, prepare, train }: MainJobResult, root: string, totalSeconds: number): string {
  const rows: [string, string][] = [];
  for (const { file, bytes, bytesFetched, resumedAt, md5, isVerified } of download.archives) {
    const how = [
      bytesFetched === 0 ? 'was there' : `${formatBytes(bytesFetched)} fetched of ${formatBytes(bytes)}`,
      ...resumedAt.map((offset) => `resumed at ${formatBytes(offset)}`),
      `MD5 ${md5} ${isVerified ? 'verified' : '(none known to compare with)'}`,
    ];
    rows.push([file, how.join(', ')]);
  }
  for (const split of prepare.splits) {
    const speed =
      split.imagesPerSecond === undefined ? 'prepared before' : `${split.imagesPerSecond.toFixed(0)} images/s`;
    rows.push([
      `${split.split}: images in`,
      `${split.numSamples + split.numRejected} in, ${split.numRejected} rejected, ${speed}`,
    ]);
    for (const [reason, count] of Object.entries(split.rejectedReasons))
      rows.push(['  rejected', `${count} × ${reason}`]);
    rows.push([`${split.split}: shards`, `${split.numShards} LMDB shards, ${formatBytes(split.bytes)}`]);
  }
  const from = train.resumedAtStep > 0 ? `, resumed at step ${train.resumedAtStep}` : '';
  rows.push(
    ['train: steps', `${train.numSteps} of ${train.batchSize} images on ${train.backend} (${train.device})${from}`],
    ['train: loss', `first ${format(train.firstLoss, 3)}, last ${format(train.lastLoss, 3)}`],
    [
      'train: speed',
      `${format(train.imagesPerSecond, 0)} images/s, ${percent(train.waitShare)} of the time waiting for data`,
    ],
    [
      'val: accuracy',
      `${percent(train.accuracy)} top-1, ${percent(train.accuracyTop5)} top-5 of ${train.numTested} images`,
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

function format(value: number | null, digits: number): string {
  return value === null ? '–' : value.toFixed(digits);
}

function percent(share: number | null): string {
  return share === null ? '–' : `${(share * 100).toFixed(1)} %`;
}
