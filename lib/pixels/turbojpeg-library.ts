/**
 * libturbojpeg, the system's, called in this process: it decodes JPEGs at the speed of C into memory that is given to it, and
 * encodes them. Pixels and files are OpenCV's: its decoder's flags of 0 mean the accurate DCT and smooth upsampling, and its
 * encoder has the same tables and, told to, the same DCT.
 */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { MillraceError } from '../core/errors.js';
import type { InterleavedImage, Size } from './image.js';

// Not imported: where its native part is missing, the import would end the program.
const require = createRequire(import.meta.url);

/** What a JPEG says of itself. */
export interface JpegHeader extends Size {
  readonly isGrey: boolean;
}

/** Where and how a JPEG is to be decoded. */
export interface JpegTarget extends Size {
  /** `[height, width, channels]`; R, G, B when there are three. */
  readonly room: Uint8Array;
  readonly channels: 1 | 3;
}

export interface Turbojpeg {
  /** The library that was loaded: a path, or a name that the system's loader found. */
  readonly library: string;
  /**
   * Decodes a whole and undamaged JPEG in RGB or greyscale. `place` is told its header and says where to: in its own size, or in
   * one that a DCT scaled by a power of two gives, `ceil(side / 2)`, `/ 4` or `/ 8`; or undefined when it is not wanted. File and
   * room may lie in shared memory. Returns whether it was decoded. If not, the file is anything else, and what was written into the room is not to be used.
   */
  readonly decode: (file: Uint8Array, place: (header: JpegHeader) => JpegTarget | undefined) => boolean;
  /** A baseline JPEG, 4:2:0 or greyscale, of libjpeg's quality, 1..100; the file is the caller's own. */
  readonly encode: (image: InterleavedImage, quality: number) => Buffer;
}

const PIXEL_FORMATS = { 1: 6, 3: 0 } as const;
const SUBSAMPLINGS = { 1: 3, 3: 2 } as const;
const COLOURSPACE_GREY = 2;
const COLOURSPACE_CMYK = 3;
const NO_FLAGS = 0;
const ACCURATE_DCT = 4096;

/**
 * Loads a libturbojpeg of version 2 or 3. Throws what koffi throws when the file or one of the functions is not there, or koffi
 * itself has nothing for this platform.
 */
export function openTurbojpeg(name: string): Turbojpeg {
  const koffi = require('koffi') as typeof Koffi;
  const library = koffi.load(name);
  const initDecompress = library.func('void *tjInitDecompress()') as () => unknown;
  const readHeader = library.func(
    'int tjDecompressHeader3(void *handle, const uint8_t *file, unsigned long bytes, int *width, int *height, int *subsampling, int *colourspace)',
  ) as (handle: unknown, file: Uint8Array, bytes: number, ...results: Int32Array[]) => number;
  const decompress = library.func(
    'int tjDecompress2(void *handle, const uint8_t *file, unsigned long bytes, uint8_t *target, int width, int stride, int height, int format, int flags)',
  ) as (handle: unknown, file: Uint8Array, bytes: number, target: Uint8Array, ...numbers: number[]) => number;
  const initCompress = library.func('void *tjInitCompress()') as () => unknown;
  const compress = library.func(
    'int tjCompress2(void *handle, const uint8_t *source, int width, int stride, int height, int format, _Inout_ void **file, _Inout_ unsigned long *bytes, int subsampling, int quality, int flags)',
  ) as (
    handle: unknown,
    source: Uint8Array,
    width: number,
    stride: number,
    height: number,
    format: number,
    file: unknown[],
    bytes: number[],
    ...numbers: number[]
  ) => number;
  const free = library.func('void tjFree(void *file)') as (file: unknown) => void;
  const destroy = library.func('int tjDestroy(void *handle)') as (handle: unknown) => number;
  const [width, height, subsampling, colourspace] = [0, 0, 0, 0].map(() => new Int32Array(1));

  const headerOf = (handle: unknown, file: Uint8Array): JpegHeader | undefined => {
    // A file of tables without an image is read without an error, and tells nothing.
    width[0] = 0;
    const result = readHeader(handle, file, file.length, width, height, subsampling, colourspace);
    if (result !== 0 || width[0] === 0 || colourspace[0] >= COLOURSPACE_CMYK) return undefined;
    return { width: width[0], height: height[0], isGrey: colourspace[0] === COLOURSPACE_GREY };
  };

  return {
    library: name,
    decode(file, place) {
      // A decoder keeps the tables of the file before, and lends them to one that has none: hence a new one each time.
      const handle = initDecompress();
      if (handle === null) return false;
      try {
        const header = headerOf(handle, file);
        const target = header === undefined ? undefined : place(header);
        if (target === undefined) return false;
        const stride = target.width * target.channels;
        // The library writes as many pixels as it is told, wherever the array ends.
        if (target.room.length !== stride * target.height)
          throw new RangeError('the room is not of the size of the image');
        const numbers = [target.width, stride, target.height, PIXEL_FORMATS[target.channels], NO_FLAGS];
        // Damage that it got over and damage that made it give up look the same from here.
        return decompress(handle, file, file.length, target.room, ...numbers) === 0;
      } finally {
        destroy(handle);
      }
    },
    encode({ data, width, height, channels }, quality) {
      if (data.length !== width * height * channels)
        throw new RangeError('the pixels are not of the size of the image');
      const handle = initCompress();
      // Null: the library makes room as it needs it.
      const file: unknown[] = [null];
      const bytes = [0];
      try {
        const format = PIXEL_FORMATS[channels];
        const numbers = [SUBSAMPLINGS[channels], quality, ACCURATE_DCT];
        const result = compress(handle, data, width, width * channels, height, format, file, bytes, ...numbers);
        if (result !== 0) {
          throw new MillraceError('ERR_INTERNAL', `libturbojpeg cannot encode an image of ${width}×${height}`);
        }
        return Buffer.from(new Uint8Array(koffi.view(file[0], bytes[0])));
      } finally {
        free(file[0]);
        destroy(handle);
      }
    },
  };
}
