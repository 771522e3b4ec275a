/**
 * sharp, loaded when it is first needed: that takes as long as decoding thirty photographs, and most processes see none that
 * libturbojpeg cannot decode.
 */
import { createRequire } from 'node:module';
import type Sharp from 'sharp';

const require = createRequire(import.meta.url);
let loaded: typeof Sharp | undefined;

/** The library's entry: `sharp()(file, options)`. */
export function sharp(): typeof Sharp {
  if (loaded === undefined) {
    loaded = require('sharp') as typeof Sharp;
    // One image, one thread: images in flight beat threads within one, and every file is read once, so nothing is worth caching.
    loaded.concurrency(1);
    loaded.cache(false);
  }
  return loaded;
}
