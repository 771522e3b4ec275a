/** What Caffe's convert_imageset does: a list of image files becomes one LMDB environment of Datums. */
import { readFile, stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { codeOf, MillraceError, throwIfAborted, UsageError } from '../lib/core/errors.js';
import { recordKey, type ListEntry } from '../lib/core/image-list.js';
import { createPixelPipeline, type PixelPipeline } from '../lib/pixels/pixel-pipeline.js';
import { findTurbojpeg } from '../lib/pixels/turbojpeg.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { encodeFileDatum, encodeRawDatum } from '../lib/shards/datum.js';
import { createShardWriter } from '../lib/shards/shard-writer.js';
import { mapInOrder } from './map-in-order.js';

export interface ConvertImagesetOptions {
  /** Put in front of each name as it is, so it should end in a slash. */
  readonly rootFolder: string;
  readonly list: readonly ListEntry[];
  /** Folder of the new environment; must not exist. */
  readonly databaseFolder: string;
  /** Pixels; both must be positive to resize at all. */
  readonly resizeHeight: number;
  readonly resizeWidth: number;
  /** Stop unless all images have the first one's size. */
  readonly checkSize: boolean;
  /** `''`: pixels. `'guess'`: files of the type that each name's ending says. Else the ending of the type. */
  readonly encodeType: string;
  readonly onProgress: (numDone: number) => void;
  readonly onUnreadable: (path: string, reason: string) => void;
  readonly signal: AbortSignal;
}

/** Files are read, and those that sharp takes decoded, in libuv's four threads. */
const IMAGES_IN_FLIGHT = 4;
/** Without a resize nobody knows how large the records will be. Address space only: the file is as long as it must be. */
const UNKNOWN_MAP_BYTES = 2 ** 40;

/**
 * Writes the environment and returns the number of records. An unreadable file leaves a gap in the keys, as in Caffe.
 * Throws UsageError when the folder exists or a record form is asked for that is not supported, ERR_VERIFICATION when
 * `checkSize` fails, ERR_DISK, InterruptedError.
 */
export async function convertImageset(options: ConvertImagesetOptions): Promise<number> {
  const { rootFolder, list, databaseFolder, resizeHeight, resizeWidth, signal } = options;
  if (await exists(databaseFolder)) {
    throw new UsageError('<db-name>', `<db-name>: ${databaseFolder} exists; remove it or choose another name`);
  }
  const isResized = resizeHeight > 0 && resizeWidth > 0;
  const size = { height: resizeHeight, width: resizeWidth };
  const pipeline = createPixelPipeline({
    resize: isResized ? { resize: 'caffe', fit: 'exact', size } : { resize: 'none' },
    turbojpeg: findTurbojpeg(readEnvironment().turbojpeg).turbojpeg,
  });
  const writer = isResized
    ? await createShardWriter(databaseFolder, list.length, 3 * resizeHeight * resizeWidth + 64)
    : await createShardWriter(databaseFolder, 1, UNKNOWN_MAP_BYTES);
  try {
    let index = 0;
    let numWritten = 0;
    let firstBytes: number | undefined;
    for await (const made of mapInOrder(list.length, IMAGES_IN_FLIGHT, (i) => readDatum(list[i], pipeline, options))) {
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
        writer.add(Buffer.from(recordKey(index, name)), made.datum);
        numWritten++;
      }
      options.onProgress(++index);
    }
    await writer.finish();
    await writer.commit();
    return numWritten;
  } finally {
    await writer.abandon();
  }
}

type Made = { readonly datum: Buffer; readonly dataBytes: number } | { readonly reason: string };

async function readDatum(
  { name, label }: ListEntry,
  pipeline: PixelPipeline,
  options: ConvertImagesetOptions,
): Promise<Made> {
  const { rootFolder } = options;
  try {
    const file = await readFile(rootFolder + name);
    // Decoded even when its own bytes are stored: only a readable file becomes a record.
    const { height, width, data } = await pipeline.convert(file);
    const encodeType = options.encodeType === 'guess' ? extensionOf(name) : options.encodeType;
    if (encodeType !== '') {
      checkStoredAsIs(rootFolder + name, encodeType, options);
      return { datum: encodeFileDatum(file, label), dataBytes: file.length };
    }
    return { datum: encodeRawDatum({ channels: 3, height, width }, data, label), dataBytes: data.length };
  } catch (error) {
    const isUnreadable =
      codeOf(error) === 'ERR_IMAGE_UNREADABLE' || (error as NodeJS.ErrnoException).syscall !== undefined;
    if (isUnreadable && error instanceof Error) return { reason: error.message };
    throw error;
  }
}

/** Caffe stores a file's own bytes when nothing is resized and the ending is the type's; else it encodes anew. */
function checkStoredAsIs(
  path: string,
  encodeType: string,
  { resizeHeight, resizeWidth }: ConvertImagesetOptions,
): void {
  const extension = extensionOf(path);
  const isMatch = extension === encodeType || (encodeType === 'jpg' && extension === 'jpeg');
  if (isMatch && resizeHeight === 0 && resizeWidth === 0) return;
  throw new UsageError(
    '--encode_type',
    `--encode_type: encoding anew is not supported yet (${path} as ${encodeType}); ` +
      "leave out --resize_height and --resize_width and give the files' own type, or store pixels",
  );
}

/** What follows the last dot, lower-cased; empty without a dot. */
function extensionOf(path: string): string {
  const dot = path.lastIndexOf('.');
  return dot < 0 ? '' : path.slice(dot + 1).toLowerCase();
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
