/** Telling, from a JPEG's markers, whether its pixels are stored upright. */

const START_OF_IMAGE = 0xd8;
const START_OF_SCAN = 0xda;
const APP1 = 0xe1;
const EXIF = Buffer.from('Exif\0\0');
const TAG_ORIENTATION = 0x0112;
const TYPE_SHORT = 3;
const ENTRY_BYTES = 12;

/**
 * Whether a file is a JPEG that certainly needs no turning: its markers can be followed up to the first scan, and no EXIF among
 * them has an orientation but 1. False says nothing: not a JPEG, a turned one, or an EXIF that is hard to read.
 */
export function isUprightJpeg(file: Uint8Array): boolean {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== START_OF_IMAGE) return false;
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === START_OF_SCAN) return true;
    // Any number of 0xff may stand in front of a marker.
    if (marker === 0xff) {
      at++;
      continue;
    }
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    const body = bytes.subarray(at + 4, end);
    if (marker === APP1 && body.subarray(0, EXIF.length).equals(EXIF) && !isUpright(body.subarray(EXIF.length))) {
      return false;
    }
    at = end;
  }
  return false;
}

/** Looks through the first directory of a TIFF structure. */
function isUpright(tiff: Buffer): boolean {
  const isLittleEndian = tiff.toString('latin1', 0, 2) === 'II';
  const read16 = (at: number): number => (isLittleEndian ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const read32 = (at: number): number => (isLittleEndian ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  try {
    const directory = read32(4);
    const numEntries = read16(directory);
    for (let entry = 0; entry < numEntries; entry++) {
      const at = directory + 2 + entry * ENTRY_BYTES;
      if (read16(at) !== TAG_ORIENTATION) continue;
      if (read16(at + 2) !== TYPE_SHORT || read16(at + 8) !== 1) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
