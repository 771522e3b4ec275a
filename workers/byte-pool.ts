/**
 * Arrays that are used again and again. A new one of an image's size costs a hundred page faults, and enough of them keep the
 * garbage collector's threads at work: together a tenth of what decoding costs.
 */

/** More than are under way at a time. */
const MAX_FREE = 6;
/** Larger ones are left to the garbage collector, so that one huge image does not stay. */
const MAX_KEPT_BYTES = 4 << 20;

export class BytePool {
  private readonly free: ArrayBufferLike[] = [];
  private readonly handedOut = new WeakSet<ArrayBufferLike>();

  /** An array of that many bytes, with any content. */
  take(numBytes: number): Uint8Array {
    const found = this.free.findIndex(({ byteLength }) => byteLength >= numBytes);
    const [memory] =
      found < 0 ? [new ArrayBuffer(2 ** Math.ceil(Math.log2(numBytes + 1)))] : this.free.splice(found, 1);
    this.handedOut.add(memory);
    return new Uint8Array(memory, 0, numBytes);
  }

  /** Takes back an array that nobody looks at any more. One that was made elsewhere may lie in memory of others', and is left. */
  give({ buffer }: Uint8Array): void {
    const isOurs = this.handedOut.has(buffer) && !this.free.includes(buffer);
    if (!isOurs || buffer.byteLength > MAX_KEPT_BYTES) return;
    this.free.push(buffer);
    if (this.free.length > MAX_FREE) this.free.shift();
  }
}
