/**
 * Where the members of an archive lie. A million of them as objects would take ten times the memory, so names are packed into
 * one buffer and found through an open-addressing hash table; offsets and sizes are typed arrays.
 */

/** An index's content, ready to be written to a file. Views of the index's own memory. */
export interface PackedIndex {
  /** All names in UTF-8, one after the other. */
  readonly names: Uint8Array<ArrayBuffer>;
  /** `nameEnds[i]` is where the name of member i ends in `names`. */
  readonly nameEnds: Uint32Array<ArrayBuffer>;
  /** Bytes from the archive's begin to the stretch that holds the member: in a tar its body, in a zip its local header and body. */
  readonly offsets: Float64Array<ArrayBuffer>;
  /** Bytes of the stretch. */
  readonly sizes: Float64Array<ArrayBuffer>;
}

const MIN_CAPACITY = 1024;
const EMPTY = -1;

export class MemberIndex {
  private count = 0;
  private names = Buffer.allocUnsafe(MIN_CAPACITY * 32);
  private nameEnds = new Uint32Array(MIN_CAPACITY);
  private offsets = new Float64Array(MIN_CAPACITY);
  private sizes = new Float64Array(MIN_CAPACITY);
  /** Member numbers by hash of name, linear probing, at most half full. */
  private slots = new Int32Array(MIN_CAPACITY * 2).fill(EMPTY);

  get numMembers(): number {
    return this.count;
  }

  /** A member's name; `member` in `[0, numMembers)`, in the archive's order. */
  name(member: number): string {
    return this.names.toString('utf8', this.nameBegin(member), this.nameEnds[member]);
  }

  offset(member: number): number {
    return this.offsets[member];
  }

  size(member: number): number {
    return this.sizes[member];
  }

  /** The member of that name; undefined when there is none. */
  find(name: string): number | undefined {
    const member = this.slots[this.slotOf(Buffer.from(name))];
    return member === EMPTY ? undefined : member;
  }

  /** Adds a member; one of the same name takes the place of the earlier one, as when a tar is unpacked. */
  set(name: string, offset: number, size: number): void {
    const bytes = Buffer.from(name);
    let slot = this.slotOf(bytes);
    let member = this.slots[slot];
    if (member === EMPTY) {
      if (this.grow(bytes.length)) slot = this.slotOf(bytes);
      member = this.count++;
      this.slots[slot] = member;
      const begin = this.nameBegin(member);
      this.names.set(bytes, begin);
      this.nameEnds[member] = begin + bytes.length;
    }
    this.offsets[member] = offset;
    this.sizes[member] = size;
  }

  pack(): PackedIndex {
    return {
      names: this.names.subarray(0, this.nameBegin(this.count)),
      nameEnds: this.nameEnds.subarray(0, this.count),
      offsets: this.offsets.subarray(0, this.count),
      sizes: this.sizes.subarray(0, this.count),
    };
  }

  /** The index that was packed; it keeps the arrays. */
  static unpack({ names, nameEnds, offsets, sizes }: PackedIndex): MemberIndex {
    const index = new MemberIndex();
    index.count = nameEnds.length;
    index.names = Buffer.from(names.buffer, names.byteOffset, names.byteLength);
    index.nameEnds = nameEnds;
    index.offsets = offsets;
    index.sizes = sizes;
    index.rehash(Math.max(MIN_CAPACITY, nameEnds.length));
    return index;
  }

  private nameBegin(member: number): number {
    return member === 0 ? 0 : this.nameEnds[member - 1];
  }

  /** Where a name is in the table, or the empty slot where it would go. */
  private slotOf(name: Buffer): number {
    const mask = this.slots.length - 1;
    let slot = hashOf(name) & mask;
    while (this.slots[slot] !== EMPTY && !this.isNameOf(this.slots[slot], name)) slot = (slot + 1) & mask;
    return slot;
  }

  private isNameOf(member: number, name: Buffer): boolean {
    return name.compare(this.names, this.nameBegin(member), this.nameEnds[member]) === 0;
  }

  /** Makes room for one more member; true when the table was built anew. */
  private grow(nameBytes: number): boolean {
    const namesEnd = this.nameBegin(this.count);
    if (namesEnd + nameBytes > this.names.length) {
      const names = Buffer.allocUnsafe(Math.max(2 * this.names.length, namesEnd + nameBytes));
      names.set(this.names.subarray(0, namesEnd));
      this.names = names;
    }
    if (this.count < this.nameEnds.length) return false;
    const capacity = Math.max(MIN_CAPACITY, 2 * this.count);
    this.nameEnds = grown(this.nameEnds, new Uint32Array(capacity));
    this.offsets = grown(this.offsets, new Float64Array(capacity));
    this.sizes = grown(this.sizes, new Float64Array(capacity));
    this.rehash(capacity);
    return true;
  }

  private rehash(capacity: number): void {
    this.slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * capacity))).fill(EMPTY);
    for (let member = 0; member < this.count; member++) {
      const name = this.names.subarray(this.nameBegin(member), this.nameEnds[member]);
      this.slots[this.slotOf(name)] = member;
    }
  }
}

function grown<T extends Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** FNV-1a, 32 bits, its high bits folded in. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
