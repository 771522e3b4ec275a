/** A stream's line at the assembly pool: what it asked for, and what it has. */
import type { Mean } from '../../../lib/core/transform.js';
import type { RecordPlace } from '../../../lib/shards/shard-reader.js';
import type { FrameLayout } from './frame-layout.js';
import type { FrameUser, StoredFrame } from './frame-store.js';
import type { FrameRequest, Recipe, RecipeMessage } from './messages.js';

/** What a line is opened for. */
export interface LineSource {
  /** Names the data, the mean with it: lines with the same version and recipe share frames. */
  readonly version: string;
  readonly recipe: Recipe;
  readonly mean: Mean;
  /** Pictures of one batch: a frame is never larger. */
  readonly batchSize: number;
  /** Where a sample's record lies. Throws ERR_SHARD_CORRUPT. */
  readonly placeOf: (sampleId: number) => RecordPlace;
}

/** A frame as it goes on the wire. */
export interface Frame {
  /** gRPC's prefix and an encoded BatchFrame: memory of the pool, as it is until it is released. */
  readonly message: Buffer;
  /** Of the message, its last ones. */
  readonly numPixelBytes: number;
  /** Share of its assembly that went into reading records, [0, 1]. */
  readonly readShare: number;
  release(): void;
}

/** What lines need of the pool. */
export interface LinePool {
  /** The frame, which the line needs from now on. */
  want(line: FrameLine, request: FrameRequest): StoredFrame;
  /** The line needs the frame no more. */
  leave(line: FrameLine, frame: StoredFrame): void;
  /** The line has left all its frames and will want no more. */
  closeLine(line: FrameLine): void;
  /** Gives out what can be given out. */
  schedule(): void;
}

export class FrameLine implements FrameUser {
  heldBytes = 0;
  readonly #frames = new Set<StoredFrame>();
  #wanted: StoredFrame[] = [];

  constructor(
    private readonly pool: LinePool,
    readonly source: LineSource,
    readonly recipe: RecipeMessage,
    readonly layout: FrameLayout,
    /** Bytes that it can have at any time. */
    readonly ownBytes: number,
  ) {}

  /** Bytes of its own that it does not have. */
  get dueBytes(): number {
    return Math.max(0, this.ownBytes - this.heldBytes);
  }

  /**
   * Asks for a frame. Throws ERR_SHARD_CORRUPT when one of its records cannot be had, ERR_UNAVAILABLE when no thread is left.
   * Once the line is closed, a promise under way may stay so.
   */
  async request(request: FrameRequest): Promise<Frame> {
    const frame = this.pool.want(this, request);
    this.#frames.add(frame);
    if (frame.state === 'wanted') this.#wanted.push(frame);
    this.pool.schedule();
    await frame.isReady;
    const { message, readShare } = frame;
    const numPixelBytes = request.ids.length * this.layout.sampleBytes;
    return { message, numPixelBytes, readShare, release: () => this.#release(frame) };
  }

  /** Gives back all that it has or asked for. Resolves when no thread works for it any more. */
  async close(): Promise<void> {
    const underWay = [...this.#frames].filter(({ state }) => state === 'assembling');
    for (const frame of this.#frames) this.#release(frame);
    this.#wanted = [];
    await Promise.allSettled(underWay.map(({ isReady }) => isReady));
    this.pool.closeLine(this);
  }

  /** For the pool: the first frame that nobody works at yet. */
  nextWanted(): StoredFrame | undefined {
    while (this.#wanted.length > 0 && (this.#wanted[0].state !== 'wanted' || !this.#frames.has(this.#wanted[0]))) {
      this.#wanted.shift();
    }
    return this.#wanted.at(0);
  }

  /** For the pool: a frame that was begun has to be begun again. */
  wantAgain(frame: StoredFrame): void {
    this.#wanted.unshift(frame);
  }

  #release(frame: StoredFrame): void {
    if (this.#frames.delete(frame)) this.pool.leave(this, frame);
  }
}
