/** What Caffe's convert_imageset does: a list of image files becomes one LMDB or LevelDB of Datums. */
import { readFile, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { codeOf, messageOf, MillraceError, throwIfAborted, UsageError } from '../lib/core/errors.js';
import { recordKey, type ListEntry } from '../lib/core/image-list.js';
import { createPixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { createLeveldbWriter } from '../lib/shards/leveldb/leveldb-writer.js';
import { createShardWriter } from '../lib/shards/shard-writer.js';
import { createDatumMaker, type DatumOptions } from './imageset-datum.js';
import { mapInOrder } from './map-in-order.js';

export const BACKENDS = ['lmdb', 'leveldb'] as const;
export type Backend = (typeof BACKENDS)[number];

export interface ConvertImagesetOptions extends DatumOptions {
  /** Put in front of each name as it is, so it should end in a slash. */
  readonly rootFolder: string;
  readonly list: readonly ListEntry[];
  readonly backend: Backend;
  /** Folder of the new database; must not exist. */
  readonly databaseFolder: string;
  /** Stop unless all images have the first one's number of values. */
  readonly checkSize: boolean;
  readonly isGrey: boolean;
  readonly onProgress: (numDone: number) => void;
  readonly onUnreadable: (path: string, reason: string) => void;
  readonly signal: AbortSignal;
}

/** Files are read, and those that sharp takes decoded, in libuv's four threads. */
const IMAGES_IN_FLIGHT = 4;
/** Without a resize nobody knows how large the records will be. Address space only: the file is as long as it must be. */
const UNKNOWN_MAP_BYTES = 2 ** 40;

/**
 * Writes the database and returns the number of records. An unreadable file leaves a gap in the keys, as in Caffe.
 * Throws UsageError when the folder exists or files cannot be encoded as asked, ERR_VERIFICATION when `checkSize` fails,
 * ERR_DISK, InterruptedError.
 */
export async function convertImageset(options: ConvertImagesetOptions): Promise<number> {
  const { rootFolder, list, databaseFolder, resizeHeight, resizeWidth, signal } = options;
  if (await exists(databaseFolder)) {
    throw new UsageError('<db-name>', `<db-name>: ${databaseFolder} exists; remove it or choose another name`);
  }
  const isResized = resizeHeight > 0 && resizeWidth > 0;
  const size = { height: resizeHeight, width: resizeWidth };
  const { turbojpeg } = findTurbojpeg(readEnvironment().turbojpeg);
  const pipeline = createPixelPipeline({
    resize: isResized ? { resize: 'caffe', fit: 'exact', size } : { resize: 'none' },
    colour: options.isGrey ? 'grey' : 'colour',
    turbojpeg,
  });
  const make = createDatumMaker(options, pipeline, turbojpeg);
  const writer = await createWriter(options, isResized ? 3 * resizeHeight * resizeWidth : undefined);
  try {
    let index = 0;
    let numWritten = 0;
    let firstBytes: number | undefined;
    for await (const made of mapInOrder(list.length, IMAGES_IN_FLIGHT, (i) => readDatum(list[i], rootFolder, make))) {
      // Most images are decoded without waiting for anything; only here is a signal heard.
      await setImmediate();
      throwIfAborted(signal);
      const { name } = list[index];
      if ('reason' in made) {
        options.onUnreadable(rootFolder + name, made.reason);
      } else {
        firstBytes ??= made.dataBytes;
        if (options.checkSize && made.dataBytes !== firstBytes) {
          throw new MillraceError(
            'ERR_VERIFICATION',
            `--check_size: ${rootFolder + name} has ${made.dataBytes} bytes of pixels, the first image ${firstBytes}`,
          );
        }
        await writer.add(Buffer.from(recordKey(index, name)), made.datum);
        numWritten++;
      }
      options.onProgress(++index);
    }
    await writer.commit();
    return numWritten;
  } finally {
    await writer.abandon();
  }
}

interface DatabaseWriter {
  add(key: Buffer, value: Buffer): Promise<void> | void;
  commit(): Promise<void>;
  abandon(): Promise<void>;
}

/** @param maxDataBytes of a record, when it is known */
async function createWriter(
  { backend, databaseFolder, list }: ConvertImagesetOptions,
  maxDataBytes: number | undefined,
): Promise<DatabaseWriter> {
  if (backend === 'leveldb') return createLeveldbWriter(databaseFolder);
  const shard =
    maxDataBytes === undefined
      ? await createShardWriter(databaseFolder, 1, UNKNOWN_MAP_BYTES)
      : await createShardWriter(databaseFolder, list.length, maxDataBytes + MAX_OVERHEAD_BYTES);
  return {
    add: (key, value) => shard.add(key, value),
    async commit() {
      await shard.finish();
      await shard.commit();
    },
    abandon: () => shard.abandon(),
  };
}

/** A Datum's fields, and what a JPEG or PNG of noise may take over its pixels. */
const MAX_OVERHEAD_BYTES = 8192;

type Read = Awaited<ReturnType<ReturnType<typeof createDatumMaker>>> | { readonly reason: string };

async function readDatum(
  { name, label }: ListEntry,
  rootFolder: string,
  make: ReturnType<typeof createDatumMaker>,
): Promise<Read> {
  try {
    return await make(name, label, await readFile(rootFolder + name));
  } catch (error) {
    const isUnreadable =
      codeOf(error) === 'ERR_IMAGE_UNREADABLE' || (error as NodeJS.ErrnoException).syscall !== undefined;
    if (isUnreadable) return { reason: messageOf(error) };
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}
