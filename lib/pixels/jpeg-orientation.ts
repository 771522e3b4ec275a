/** Telling, from a JPEG's markers, how its pixels are to be turned. */

const START_OF_IMAGE = 0xd8;
const START_OF_SCAN = 0xda;
const APP1 = 0xe1;
const EXIF = Buffer.from('Exif\0\0');
const TAG_ORIENTATION = 0x0112;
const TYPE_SHORT = 3;
const ENTRY_BYTES = 12;
const UPRIGHT = 1;

/**
 * EXIF's orientation of a JPEG, 1..8; 1 when no EXIF says any. Undefined when it is not certain: no JPEG whose markers can be followed up to
 * the first scan, an EXIF that is hard to read, or several orientations.
 */
export function jpegOrientation(file: Uint8Array): number | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== START_OF_IMAGE) return undefined;
  const found = new Set<number | undefined>();
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === START_OF_SCAN) {
      if (found.size === 0) return UPRIGHT;
      return found.size === 1 ? [...found][0] : undefined;
    }
    // Any number of 0xff may stand in front of a marker.
    if (marker === 0xff) {
      at++;
      continue;
    }
    const end = at + 2 + bytes.readUInt16BE(at + 2);
    const body = bytes.subarray(at + 4, end);
    if (marker === APP1 && body.subarray(0, EXIF.length).equals(EXIF)) {
      for (const orientation of orientationsOf(body.subarray(EXIF.length))) found.add(orientation);
    }
    at = end;
  }
  return undefined;
}

/** What the first directory of a TIFF structure says; undefined among them for what is hard to read. */
function orientationsOf(tiff: Buffer): (number | undefined)[] {
  const isLittleEndian = tiff.toString('latin1', 0, 2) === 'II';
  const read16 = (at: number): number => (isLittleEndian ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at));
  const read32 = (at: number): number => (isLittleEndian ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at));
  try {
    const orientations: (number | undefined)[] = [];
    const directory = read32(4);
    const numEntries = read16(directory);
    for (let entry = 0; entry < numEntries; entry++) {
      const at = directory + 2 + entry * ENTRY_BYTES;
      if (read16(at) !== TAG_ORIENTATION) continue;
      const value = read16(at + 8);
      orientations.push(read16(at + 2) === TYPE_SHORT && value >= 1 && value <= 8 ? value : undefined);
    }
    return orientations;
  } catch (error) {
    if (error instanceof RangeError) return [undefined];
    throw error;
  }
}
