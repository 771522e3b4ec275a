/** Who calls with a token, and what is left of the token's limits. */
import { timingSafeEqual } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { MillraceError } from '../core/errors.js';
import { digestOf, type TokenEntry } from './token-file.js';

/** A holder that was idle may send that much at once. */
const BURST_MS = 1_000;

export class TokenHolder {
  #numStreams = 0;
  /** When what was sent so far is paid for, at the holder's rate. */
  #paidAtMs = 0;

  constructor(
    private readonly entry: TokenEntry,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get name(): string {
    return this.entry.name;
  }

  get digest(): Buffer {
    return this.entry.digest;
  }

  /** Counts a stream; call what it returns, once, when the stream has ended. Throws ERR_OVER_LIMIT naming the limit. */
  enterStream(): () => void {
    const { name, maxStreams = Infinity } = this.entry;
    if (this.#numStreams >= maxStreams) {
      const message = `token "${name}" may have streams=${maxStreams} at a time and has them; close one, or raise the limit`;
      throw new MillraceError('ERR_OVER_LIMIT', message, { isRetryable: true, context: { limit: 'streams' } });
    }
    this.#numStreams++;
    return () => {
      this.#numStreams--;
    };
  }

  /** Milliseconds to wait after sending that many bytes, for the rate to be kept. */
  waitAfter(numBytes: number): number {
    const { bytesPerSecond } = this.entry;
    if (bytesPerSecond === undefined) return 0;
    const now = this.now();
    this.#paidAtMs = Math.max(this.#paidAtMs, now - BURST_MS) + (numBytes / bytesPerSecond) * 1000;
    return Math.max(0, this.#paidAtMs - now);
  }
}

/** Finds the holder of the bearer token in a call's metadata. Throws ERR_UNAUTHENTICATED when there is none, or nobody's. */
export function findHolder(holders: readonly TokenHolder[], metadata: Metadata): TokenHolder {
  const [sent] = metadata.get('authorization');
  const token = /^Bearer +(\S+)$/i.exec(String(sent))?.[1];
  if (token === undefined) {
    throw new MillraceError(
      'ERR_UNAUTHENTICATED',
      'this server wants a token, as metadata "authorization: Bearer <token>"',
    );
  }
  const digest = digestOf(token);
  // All are looked at, so that the time taken tells nothing.
  const holder = holders.filter((it) => timingSafeEqual(it.digest, digest)).at(0);
  if (holder === undefined) throw new MillraceError('ERR_UNAUTHENTICATED', 'this server does not know the token');
  return holder;
}
