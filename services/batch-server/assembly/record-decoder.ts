/** Image files in the shared memory to planar pixels in it. */
import { numElements, type SampleShape } from '../../../lib/core/tensor.js';
import { jpegOrientation } from '../../../lib/pixels/jpeg-orientation.js';
import { createSampleDecoder, type StoredSample } from '../../../lib/pixels/sample-decoder.js';
import { createPlanarizer } from '../../../lib/pixels/sample-kernels.js';
import type { JpegHeader, JpegTarget, Turbojpeg } from '../../../lib/pixels/turbojpeg-library.js';
import type { Recipe } from './messages.js';

/** Addresses of rooms for a sample of the stored shape each. */
export interface DecoderRoom {
  /** Where the planar pixels are wanted. The file may lie there. */
  readonly pixels: number;
  /** For a decoded image. */
  readonly decoded: number;
}

/**
 * Decodes a file, which lies in the shared memory, and resizes it if need be. At once when libturbojpeg can: then there is no promise.
 * Throws ERR_IMAGE_UNREADABLE, and RangeError when it does not become a sample of the stored shape.
 */
export type RecordDecoder = (file: StoredSample) => Promise<void> | undefined;

/** Throws ERR_NOT_FOUND when the kernels have not been built. */
export function createRecordDecoder(
  memory: WebAssembly.SharedMemory,
  room: DecoderRoom,
  { stored, samples }: Recipe,
  turbojpeg: Turbojpeg | undefined,
): RecordDecoder {
  const roomAt = (begin: number): Uint8Array => new Uint8Array(memory.buffer, begin, numElements(stored));
  const toPlanar = createPlanarizer(memory);
  const decode = createSampleDecoder(samples, turbojpeg, 'colour', (numBytes) => {
    checkPixels(numBytes, stored);
    return roomAt(room.pixels);
  });
  const target: JpegTarget = { ...stored, channels: 3, room: roomAt(room.decoded) };
  // What has its size already, as all do that were resized before they were encoded, needs no room but these.
  const place = ({ width, height }: JpegHeader): JpegTarget | undefined =>
    width === stored.width && height === stored.height && stored.channels === 3 ? target : undefined;

  return (file) => {
    if (turbojpeg !== undefined && jpegOrientation(file.data) === 1 && turbojpeg.decode(file.data, place)) {
      toPlanar(room.decoded, room.pixels, stored);
      return undefined;
    }
    const decoded = decode(file);
    return decoded instanceof Promise ? decoded.then(() => undefined) : undefined;
  };
}

/** Throws RangeError when so many bytes of pixels are not a sample of that shape. */
export function checkPixels(numBytes: number, stored: SampleShape): void {
  if (numBytes === numElements(stored)) return;
  throw new RangeError(`${numBytes} bytes of pixels where the manifest says ${numElements(stored)}`);
}
