/** Making tar archives in memory: for the images that the project draws itself, and for tests. */
import { pack } from 'tar-stream';

export interface TarMemberContent {
  /** Path within the archive, at most 255 bytes. */
  readonly name: string;
  readonly data: Uint8Array;
}

/** Times, owner and modes are constants, so that the same members give the same bytes. */
const MEMBER_TIME = new Date(0);
const MEMBER_MODE = 0o644;

/** A ustar archive with the members in the order given. The caller keeps the members' buffers. */
export async function packTar(members: Iterable<TarMemberContent>): Promise<Buffer> {
  const packer = pack();
  for (const { name, data } of members) {
    packer.entry(
      { name, mtime: MEMBER_TIME, mode: MEMBER_MODE },
      Buffer.from(data.buffer, data.byteOffset, data.length),
    );
  }
  packer.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
