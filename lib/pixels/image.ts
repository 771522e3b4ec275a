/** Images in memory, and how many pixels one may have. */

/** In pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Decoded pixels, interleaved `[height, width, 3]` in R, G, B order. The caller owns `data`. */
export interface DecodedImage extends Size {
  readonly data: Uint8Array;
}

/** An image to be encoded or drawn. */
export interface InterleavedImage extends Size {
  /** `[height, width, channels]`, uint8; R, G, B when there are three. The caller's; read until the work is done. */
  readonly data: Uint8Array;
  readonly channels: 1 | 3;
}

/** Pixels as Caffe stores them, planar `[channels, height, width]`; B, G, R when there are three. The caller owns `data`. */
export interface PlanarImage extends Size {
  readonly data: Uint8Array;
  readonly channels: 1 | 3;
}

/** What is done with files that decoders disagree about. Defaults are what OpenCV, hence Caffe, does. */
export interface DecodePolicy {
  /** Default: a JPEG or PNG is turned as its EXIF says. `ignore`: it stays as it is stored, OpenCV's IMREAD_IGNORE_ORIENTATION. */
  readonly exif?: 'ignore' | undefined;
  /** Default: of a JPEG that is cut short the missing part is grey. `reject`: it is unreadable, like other files cut short. */
  readonly truncated?: 'reject' | undefined;
}

/** An image of more pixels is refused: its 400 MB decoded would not fit beside others. ImageNet's largest has 60 million. */
export const MAX_PIXELS = 2 ** 27;
