/** The bounding boxes of an archive of PASCAL VOC files, by the image that they are of. */
import { membersOf } from '../archives/members.js';
import { messageOf, MillraceError, throwIfAborted } from '../core/errors.js';
import { createBoxMends, createClassNames, usableBoxes, type BoxMends, type ObjectBox } from './boxes.js';
import { parseVocAnnotation } from './voc-annotation.js';

export interface ReadBoxesOptions {
  /** Folder of the archive that stands for that of the images, e.g. "val/". Default: none. */
  readonly prefix?: string;
  /** The dataset's classes. Default: none, and any name counts as an id. */
  readonly classes?: readonly { readonly id: string; readonly name: string }[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((numFiles: number) => void) | undefined;
}

export interface ImageBoxes {
  /** By {@link imageStem} of the image. An annotation without a usable box has an empty list. */
  readonly byImage: ReadonlyMap<string, readonly ObjectBox[]>;
  readonly numBoxes: number;
  readonly mends: Readonly<BoxMends>;
}

/** What an image and its annotation have in common: the path without its ending, `n01440764/n01440764_96`. */
export function imageStem(name: string): string {
  return name.replace(/\.[^./]*$/, '');
}

/**
 * Reads every `.xml` below the prefix of an archive, once through. An annotation belongs to the image of its own name, whatever
 * it says of itself. Takes about 1 kB of memory an image.
 * Throws ERR_VERIFICATION naming archive and file when an annotation is malformed, ERR_ARCHIVE_CORRUPT when the archive cannot
 * be read, InterruptedError when the signal is aborted.
 */
export async function readBoxes(archivePath: string, options: ReadBoxesOptions = {}): Promise<ImageBoxes> {
  const { prefix = '', classes = [], signal, onProgress } = options;
  const classNames = createClassNames(classes);
  const mends = createBoxMends();
  const byImage = new Map<string, ObjectBox[]>();
  let numBoxes = 0;
  for await (const { name, read } of membersOf(archivePath)) {
    throwIfAborted(signal);
    if (!name.startsWith(prefix) || !name.endsWith('.xml')) continue;
    const stem = imageStem(name.slice(prefix.length));
    const annotation = parse((await read()).toString('utf8'), archivePath, name);
    const ownName = stem.slice(stem.lastIndexOf('/') + 1);
    if (![annotation.filename, imageStem(annotation.filename)].includes(ownName)) mends.numOtherFilenames++;
    const boxes = usableBoxes(annotation, classNames, mends);
    byImage.set(stem, boxes);
    numBoxes += boxes.length;
    onProgress?.(byImage.size);
  }
  return { byImage, numBoxes, mends };
}

function parse(text: string, archivePath: string, name: string): ReturnType<typeof parseVocAnnotation> {
  try {
    return parseVocAnnotation(text);
  } catch (error) {
    throw new MillraceError('ERR_VERIFICATION', `${archivePath}: ${name}: ${messageOf(error)}`, {
      cause: error,
      context: { path: archivePath, member: name },
    });
  }
}
