/**
 * libturbojpeg, the system's, called in this process: it decodes JPEGs at the speed of C into memory that is given to it. Its
 * pixels are OpenCV's: the accurate DCT and smooth upsampling are what its flags of 0 mean.
 */
import { createRequire } from 'node:module';
import type * as Koffi from 'koffi';
import { messageOf, UsageError } from '../core/errors.js';
import type { Size } from './image.js';

// Not imported: where its native part is missing, the import would end the program.
const require = createRequire(import.meta.url);

export interface Turbojpeg {
  /** The library that was loaded: a path, or a name that the system's loader found. */
  readonly library: string;
  /**
   * Decodes a whole and undamaged JPEG in RGB or greyscale to interleaved `[height, width, 3]` in R, G, B order, and returns its
   * size. `place` is told the size and gives the room, or undefined when it is too large. Undefined: the file is anything else,
   * and what was written into the room is not to be used.
   */
  readonly decode: (file: Uint8Array, place: (size: Size) => Uint8Array | undefined) => Size | undefined;
}

/** Either the library, or why there is none and what to do, to be put after "libturbojpeg is not used: ". */
export type TurbojpegSearch =
  | { readonly turbojpeg: Turbojpeg; readonly reason?: undefined }
  | { readonly turbojpeg?: undefined; readonly reason: string };

/** Setting that keeps the library from being used. */
export const NO_TURBOJPEG = 'none';

/** Versions 2 and 3 have the functions used here; a bare name is looked for by the system's loader. */
const LIBRARIES: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ['libturbojpeg.so.0', '/opt/libjpeg-turbo/lib64/libturbojpeg.so.0'],
  darwin: [
    'libturbojpeg.0.dylib',
    '/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib',
    '/usr/local/opt/jpeg-turbo/lib/libturbojpeg.dylib',
  ],
  win32: ['turbojpeg.dll', 'C:\\libjpeg-turbo64\\bin\\turbojpeg.dll'],
};

const PIXEL_FORMAT_RGB = 0;
const COLOURSPACE_CMYK = 3;
const NO_FLAGS = 0;

/**
 * Loads libturbojpeg.
 *
 * @param setting `MILLRACE_TURBOJPEG`: its path, or {@link NO_TURBOJPEG}. Default: where systems keep it.
 *
 * Throws UsageError when the library at that path cannot be loaded.
 */
export function findTurbojpeg(setting?: string): TurbojpegSearch {
  if (setting === NO_TURBOJPEG) return { reason: `it is switched off by MILLRACE_TURBOJPEG=${NO_TURBOJPEG}` };
  if (setting !== undefined) {
    try {
      return { turbojpeg: openLibrary(setting) };
    } catch (error) {
      const expected = `expected the path of libturbojpeg 2 or 3, or "${NO_TURBOJPEG}"`;
      throw new UsageError('MILLRACE_TURBOJPEG', `MILLRACE_TURBOJPEG: ${expected}; ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  const failures: string[] = [];
  for (const library of LIBRARIES[process.platform] ?? []) {
    try {
      return { turbojpeg: openLibrary(library) };
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  return { reason: `install it (Debian: libturbojpeg0) or set MILLRACE_TURBOJPEG to its path; ${failures.join('; ')}` };
}

/** Throws what koffi throws when the file or one of the functions is not there, or koffi itself has nothing for this platform. */
function openLibrary(name: string): Turbojpeg {
  const koffi = require('koffi') as typeof Koffi;
  const library = koffi.load(name);
  const init = library.func('void *tjInitDecompress()') as () => unknown;
  const readHeader = library.func(
    'int tjDecompressHeader3(void *handle, const uint8_t *file, unsigned long bytes, int *width, int *height, int *subsampling, int *colourspace)',
  ) as (handle: unknown, file: Uint8Array, bytes: number, ...results: Int32Array[]) => number;
  const decompress = library.func(
    'int tjDecompress2(void *handle, const uint8_t *file, unsigned long bytes, uint8_t *target, int width, int stride, int height, int format, int flags)',
  ) as (handle: unknown, file: Uint8Array, bytes: number, target: Uint8Array, ...numbers: number[]) => number;

  const destroy = library.func('int tjDestroy(void *handle)') as (handle: unknown) => number;
  const [width, height, subsampling, colourspace] = [0, 0, 0, 0].map(() => new Int32Array(1));

  const sizeOf = (handle: unknown, file: Uint8Array): Size | undefined => {
    // A file of tables without an image is read without an error, and tells nothing.
    width[0] = 0;
    const result = readHeader(handle, file, file.length, width, height, subsampling, colourspace);
    if (result !== 0 || width[0] === 0 || colourspace[0] >= COLOURSPACE_CMYK) return undefined;
    return { width: width[0], height: height[0] };
  };

  return {
    library: name,
    decode(file, place) {
      // A decoder keeps the tables of the file before, and lends them to one that has none: hence a new one each time.
      const handle = init();
      if (handle === null) return undefined;
      try {
        const size = sizeOf(handle, file);
        const target = size === undefined ? undefined : place(size);
        if (size === undefined || target === undefined) return undefined;
        const stride = size.width * 3;
        // The library writes as many pixels as it is told, wherever the array ends.
        if (target.length !== stride * size.height) throw new RangeError('the room is not of the size of the image');
        const numbers = [size.width, stride, size.height, PIXEL_FORMAT_RGB, NO_FLAGS];
        // Damage that it got over and damage that made it give up look the same from here.
        return decompress(handle, file, file.length, target, ...numbers) === 0 ? size : undefined;
      } finally {
        destroy(handle);
      }
    },
  };
}
