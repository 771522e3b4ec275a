/** What the processes of the pixels bench are given and what they answer: images in one file, and figures. */

export interface PixelsRun {
  readonly numImages: number;
  /** User + system time of all threads. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Most memory that was resident, the pack included, in KiB. */
  readonly peakKb: number;
  /** Over all pixels of one round, `sum = 31 sum + byte` in 32 bits; 0 where it is not made. */
  readonly checksum: number;
}

/** u32 count, then u32 size and bytes of each file, little-endian. */
export function pack(files: readonly Uint8Array[]): Buffer {
  return Buffer.concat([u32(files.length), ...files.flatMap((file) => [u32(file.length), file])]);
}

/** The files, as views of the pack. */
export function unpack(bytes: Buffer): Buffer[] {
  const files: Buffer[] = [];
  for (let at = 4; at < bytes.length;) {
    const size = bytes.readUInt32LE(at);
    files.push(bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return files;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
