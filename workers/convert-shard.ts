/** Making one shard: read members by offset, decode, resize, write. */
import { closeSync, openSync } from 'node:fs';
import { MillraceError, throwIfAborted } from '../lib/core/errors.js';
import { numElements } from '../lib/core/tensor.js';
import { readFolderFile } from '../lib/archives/folder.js';
import { readMember } from '../lib/archives/read-member.js';
import { ChannelMoments } from '../lib/pixels/channel-moments.js';
import { MAX_PIXELS } from '../lib/pixels/image.js';
import { PixelMoments } from '../lib/pixels/pixel-moments.js';
import type { Turbojpeg } from '../lib/pixels/turbojpeg-library.js';
import { PIXEL_SUMS_FILE, SHARD_RECORD_FILE } from '../lib/platform/root-layout.js';
import { encodePixelSums, PIXEL_SHAPE } from '../lib/shards/pixel-sums.js';
import { shapeOf } from '../lib/shards/sample-shape.js';
import type { Rejected, ShardRecord } from '../lib/shards/shard-record.js';
import { createShardWriter } from '../lib/shards/shard-writer.js';
import { BytePool } from './byte-pool.js';
import { mapInOrder } from './map-in-order.js';
import { createRecordMaker, type MadeRecord, type RecordMaker } from './record-maker.js';
import { startStageClock, type StageClock } from './stage-times.js';
import type { Attempt, ConvertedShard, ConvertTask } from './task.js';

export interface ConvertObserver {
  /**
   * Called before the first record and after each: how many of the task are written or rejected. The next one is not begun
   * before the promise is resolved, if it is a careful attempt; and only while waiting is a signal heard.
   */
  readonly onProgress: (numDone: number) => void | Promise<void>;
  readonly onRejected: (rejected: Rejected) => void;
}

/** Images under way at a time. Where sharp decodes, two keep a core busy while the event loop resizes; more only take memory. */
const IMAGES_IN_FLIGHT = 2;
/** LMDB's MDB_MAXKEYSIZE. */
const MAX_KEY_BYTES = 511;
/** More than any image file that decodes within the pixel limit; keeps an absurd member from filling the memory. */
const MAX_FILE_BYTES = 2 ** 29;
/** A Datum's fields besides its data, and what a JPEG may have in it besides its pixels, take less. */
const MAX_OVERHEAD_BYTES = 8192;

type Outcome = { readonly made: MadeRecord; readonly file: Uint8Array } | { readonly reason: string };

/**
 * Makes the shard of a task and commits it by rename; an earlier shard in its place goes. Unreadable images are left out.
 * Throws InterruptedError when the signal is aborted (nothing stays behind), ERR_ARCHIVE_CORRUPT, ERR_DISK.
 */
export async function convertShard(
  task: ConvertTask,
  { isCareful, leftOut }: Attempt,
  turbojpeg: Turbojpeg | undefined,
  observer: ConvertObserver,
  signal: AbortSignal,
): Promise<ConvertedShard> {
  const clock = startStageClock();
  const numRecords = task.keys.length;
  const pool = new BytePool();
  const make = createRecordMaker(task.options, turbojpeg, (numBytes) => pool.take(numBytes));
  const shape = shapeOf(task.options);
  const moments = shape === null ? new ChannelMoments() : new PixelMoments(numElements(shape));
  const rejected: Rejected[] = [];
  const writer = await createShardWriter(task.folder, numRecords, maxDataBytesOf(task) + MAX_OVERHEAD_BYTES);
  const descriptor = openSync(task.membersPath, 'r');
  try {
    let numDone = 0;
    await observer.onProgress(numDone);
    const read = async (position: number): Promise<Outcome> => {
      const reason = leftOut.get(position);
      return reason === undefined ? makeRecord(task, position, descriptor, make, pool, clock) : { reason };
    };
    for await (const outcome of mapInOrder(numRecords, isCareful ? 1 : IMAGES_IN_FLIGHT, read)) {
      clock.lap('decode');
      const key = task.keys[numDone];
      if ('made' in outcome) {
        const { sample, value } = outcome.made;
        moments.add(sample.data);
        writer.add(Buffer.from(key), ...value);
        pool.give(sample.data);
        pool.give(outcome.file);
      } else {
        const left: Rejected = { archive: task.archive, key, reason: outcome.reason };
        rejected.push(left);
        observer.onRejected(left);
      }
      clock.lap('write');
      await observer.onProgress(++numDone);
      throwIfAborted(signal);
    }
    const shard: ShardRecord = { ...(await writer.finish()), taskDigest: task.taskDigest, rejected };
    await writer.addFile(PIXEL_SUMS_FILE, encodePixelSums({ shape: shape ?? PIXEL_SHAPE, ...moments.moments() }));
    await writer.addFile(SHARD_RECORD_FILE, `${JSON.stringify(shard)}\n`);
    throwIfAborted(signal);
    await writer.commit();
    clock.lap('write');
    return { record: shard, times: clock.times };
  } finally {
    closeSync(descriptor);
    await writer.abandon();
  }
}

/** Most bytes of data that a record may have. It decides how far the file may grow, not how large it is. */
function maxDataBytesOf({ options, sizes }: ConvertTask): number {
  if (options.record === 'original') return Math.max(...sizes);
  const shape = shapeOf(options);
  return shape === null ? MAX_PIXELS : numElements(shape);
}

/** A record; or why it cannot be used. */
async function makeRecord(
  task: ConvertTask,
  position: number,
  descriptor: number,
  make: RecordMaker,
  pool: BytePool,
  clock: StageClock,
): Promise<Outcome> {
  const offset = task.offsets[position];
  const fileBytes = task.sizes[position];
  if (Number.isNaN(offset)) return { reason: 'not in the archive' };
  if (Buffer.byteLength(task.keys[position]) > MAX_KEY_BYTES)
    return { reason: `key of more than ${MAX_KEY_BYTES} bytes` };
  if (fileBytes > MAX_FILE_BYTES) return { reason: `file of ${fileBytes} bytes, more than ${MAX_FILE_BYTES}` };
  try {
    clock.lap('decode');
    const room = pool.take(fileBytes);
    const file =
      task.files === undefined
        ? readMember(task.membersPath, descriptor, offset, fileBytes, room)
        : readFolderFile(task.membersPath, task.files[position], room);
    clock.lap('read');
    return { made: await make(task.keys[position], task.labels[position], file), file };
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'ERR_IMAGE_UNREADABLE') return { reason: error.message };
    throw error;
  }
}
