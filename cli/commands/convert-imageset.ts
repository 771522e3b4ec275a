import type { Command } from 'commander';
import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf, MillraceError, UsageError } from '../../lib/core/errors.js';
import { parseList, type ListEntry } from '../../lib/core/image-list.js';
import { createPermutation } from '../../lib/core/permutation.js';
import { BACKENDS, convertImageset } from '../../workers/convert-imageset.js';
import { defineCommand, integerFlag } from '../command.js';
import { acceptGflags } from './gflags.js';

const BOOLEANS = ['gray', 'shuffle', 'check_size', 'encoded'];
/** Of Caffe's tools. */
export const backendFlag = z.enum(BACKENDS, { error: 'expected lmdb or leveldb' });
const pixelsFlag = integerFlag(-(2 ** 31), 65_535).transform((pixels) => Math.max(0, pixels));

/** `millrace convert-imageset`: Caffe's tool of that name, with its flags, its keys and its bytes. */
export function addConvertImagesetCommand(program: Command): void {
  defineCommand(program, {
    usage: 'convert-imageset <rootfolder> <listfile> <db-name>',
    summary: "Caffe's convert_imageset: image files and a list become an LMDB or LevelDB of Datums",
    examples: [
      'millrace convert-imageset --resize_height=256 --resize_width=256 --shuffle train/ train.txt train_lmdb',
      'millrace convert-imageset --encode_type=jpg images/ list.txt originals_lmdb   # stores the JPEGs as they are',
      'millrace convert-imageset --encode_type=jpg --resize_height=256 --resize_width=256 train/ train.txt train_lmdb',
    ],
    flags: (command) =>
      acceptGflags(
        command
          .option('--gray', 'treat images as grey: one channel')
          .option('--shuffle', 'randomly shuffle the order of images and their labels')
          .option('--backend <name>', 'lmdb or leveldb', 'lmdb')
          .option('--resize_width <pixels>', 'width images are resized to; only with a height', '0')
          .option('--resize_height <pixels>', 'height images are resized to; only with a width', '0')
          .option('--check_size', 'stop unless all images have the same size')
          .option('--encoded', "store image files, encoded anew as the type that each name's ending says")
          .option(
            '--encode_type <type>',
            "store image files of this type, 'jpg' or 'png'; as they are when they are of it and nothing is resized",
            '',
          ),
        BOOLEANS,
      ),
    schema: z.object({
      rootfolder: z.string(),
      listfile: z.string(),
      dbName: z.string().min(1),
      gray: z.boolean().default(false),
      shuffle: z.boolean().default(false),
      backend: backendFlag,
      resize_width: pixelsFlag,
      resize_height: pixelsFlag,
      check_size: z.boolean().default(false),
      encoded: z.boolean().default(false),
      encode_type: z.string().toLowerCase(),
    }),
    async action(options, { reporter, signal, result }) {
      const { rootfolder, listfile, dbName, encode_type: encodeType, check_size: checkSize } = options;
      const isEncoded = options.encoded || encodeType !== '';
      if (checkSize && isEncoded) {
        throw new UsageError('--check_size', '--check_size: image files have no size to check; leave out --encoded');
      }
      const listed = await readListFile(listfile);
      const list = options.shuffle ? shuffled(listed) : listed;
      let numUnreadable = 0;
      const numWritten = await convertImageset({
        rootFolder: rootfolder,
        list,
        backend: options.backend,
        databaseFolder: dbName,
        resizeHeight: options.resize_height,
        resizeWidth: options.resize_width,
        checkSize,
        isGrey: options.gray,
        isEncoded,
        encodeType,
        onProgress: (done) => {
          reporter.progress({ stage: 'convert', unit: 'images', done, total: list.length });
        },
        onUnreadable: (path, reason) => {
          numUnreadable++;
          reporter.event('unreadable', `Could not open or find file ${path} (${reason})`, { path, reason });
        },
        signal,
      });
      const isGlued = numUnreadable === list.length && list.length > 0 && !rootfolder.endsWith('/');
      const hint = isGlued ? '; as in Caffe, names follow right behind <rootfolder>: does it lack its final "/"?' : '';
      result(
        { database: dbName, numListed: list.length, numWritten, numUnreadable },
        `${dbName}: ${numWritten} of ${list.length} images stored${hint}`,
      );
    },
  });
}

async function readListFile(path: string): Promise<ListEntry[]> {
  try {
    return parseList(await readFile(path, 'utf8'));
  } catch (error) {
    const message = `<listfile>: cannot read ${path}: ${messageOf(error)}`;
    throw new MillraceError('ERR_NOT_FOUND', message, { cause: error, context: { path } });
  }
}

/** Another order each time, as in Caffe, which has no flag for a seed. */
function shuffled(list: readonly ListEntry[]): ListEntry[] {
  if (list.length === 0) return [];
  const order = createPermutation({ numSamples: list.length, seed: randomInt(2 ** 32), epoch: 0 });
  return list.map((_, position) => list[order.at(position)]);
}
