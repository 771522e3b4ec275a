/** A look at a body's first bytes: login and error pages come with status 200, and must not become archives. */

/** Bytes of the head that {@link headProblem} wants: a tar's first header. */
export const HEAD_BYTES = 512;

/** Why these cannot be the first bytes of `file`; undefined when they may be. With a digest known only HTML is looked for. */
export function headProblem(file: string, head: Uint8Array, hasDigest: boolean): string | undefined {
  if (isHtml(head)) {
    return 'a web page came instead of the file: most likely a login or an error page; fetch it in a browser and place it by hand';
  }
  if (hasDigest) return undefined;
  const type = typeOf(file);
  if (type === undefined || type.matches(head)) return undefined;
  return `the first bytes are not those of a ${type.name} file, and no digest is known to tell what they are`;
}

interface FileType {
  readonly name: string;
  readonly matches: (head: Uint8Array) => boolean;
}

const GZIP: FileType = { name: 'gzip', matches: (head) => head[0] === 0x1f && head[1] === 0x8b };
const ZIP: FileType = { name: 'zip', matches: (head) => head[0] === 0x50 && head[1] === 0x4b };
const TAR: FileType = { name: 'tar', matches: isTarHeader };

function typeOf(file: string): FileType | undefined {
  if (/\.(tgz|gz)$/i.test(file)) return GZIP;
  if (/\.zip$/i.test(file)) return ZIP;
  return /\.tar$/i.test(file) ? TAR : undefined;
}

function isHtml(head: Uint8Array): boolean {
  return /^\uFEFF?\s*<(!doctype html|html)[\s>]/i.test(Buffer.from(head).toString('utf8'));
}

const CHECKSUM_BEGIN = 148;
const CHECKSUM_END = 156;

/** By its checksum, which every kind of tar has had since 1979 ("ustar" came later). A block of zeros is an empty tar. */
function isTarHeader(head: Uint8Array): boolean {
  if (head.length < HEAD_BYTES) return false;
  let sum = 0;
  for (let i = 0; i < HEAD_BYTES; i++) sum += i >= CHECKSUM_BEGIN && i < CHECKSUM_END ? 0x20 : head[i];
  const field = Buffer.from(head.subarray(CHECKSUM_BEGIN, CHECKSUM_END)).toString('latin1');
  const isEmpty = head.subarray(0, HEAD_BYTES).every((byte) => byte === 0);
  return isEmpty || Number.parseInt(field.replaceAll('\0', ' ').trim(), 8) === sum;
}

/** Reads from a body until `numBytes` are here, or all when it is shorter; what came with the last of them comes along. */
export async function readHead(body: AsyncGenerator<Buffer, void, undefined>, numBytes: number): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < numBytes) {
    const next = await body.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

/** A body with `head` before it. Not a generator, which would cost each chunk a turn. */
export function prepend(head: Buffer, body: AsyncGenerator<Buffer, void, undefined>): AsyncIterable<Buffer> {
  let isFirst = true;
  const next = (): Promise<IteratorResult<Buffer, void>> => {
    if (!isFirst) return body.next();
    isFirst = false;
    return Promise.resolve({ value: head });
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: () => body.return() }) };
}
