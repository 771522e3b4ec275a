/** Who calls with a token, what is left of the token's limits, and whether it still counts. */
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

  readonly #revoking = new AbortController();

  constructor(
    private entry: TokenEntry,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Aborted when the token is taken away: streams that were opened with it end. */
  get revoked(): AbortSignal {
    return this.#revoking.signal;
  }

  get name(): string {
    return this.entry.name;
  }

  get digest(): Buffer {
    return this.entry.digest;
  }

  /** The limits may have changed; what it has of them, it keeps. */
  update(entry: TokenEntry): void {
    this.entry = entry;
  }

  revoke(): void {
    this.#revoking.abort();
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

/** Those who may call, as the token file has them at the time. */
export class TokenHolders {
  #holders: readonly TokenHolder[] = [];

  constructor(entries: readonly TokenEntry[]) {
    this.replace(entries);
  }

  /** From now on these may call, and the others are revoked, whose names it returns. */
  replace(entries: readonly TokenEntry[]): string[] {
    const known = new Map(this.#holders.map((holder) => [holder.digest.toString('hex'), holder]));
    this.#holders = entries.map((entry) => {
      const digest = entry.digest.toString('hex');
      const holder = known.get(digest) ?? new TokenHolder(entry);
      known.delete(digest);
      holder.update(entry);
      return holder;
    });
    for (const gone of known.values()) gone.revoke();
    return [...known.values()].map(({ name }) => name);
  }

  /** The holder of the bearer token in a call's metadata. Throws ERR_UNAUTHENTICATED when there is none, or nobody's. */
  find(metadata: Metadata): TokenHolder {
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
    const holder = this.#holders.filter((it) => timingSafeEqual(it.digest, digest)).at(0);
    if (holder === undefined) throw unknownToken();
    return holder;
  }
}

/** For calls with a token that is nobody's, and for streams whose token is so no more. */
export function unknownToken(): MillraceError {
  return new MillraceError('ERR_UNAUTHENTICATED', 'this server does not know the token');
}
