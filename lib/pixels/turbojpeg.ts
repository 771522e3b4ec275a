/** Finding libturbojpeg on this system. */
import { messageOf, UsageError } from '../core/errors.js';
import { openTurbojpeg, type Turbojpeg } from './turbojpeg-library.js';

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
      return { turbojpeg: openTurbojpeg(setting) };
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
      return { turbojpeg: openTurbojpeg(library) };
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  return { reason: `install it (Debian: libturbojpeg0) or set MILLRACE_TURBOJPEG to its path; ${failures.join('; ')}` };
}
