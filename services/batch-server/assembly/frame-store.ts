/**
 * The frames in memory, each once: streams that ask for the same one share it. A frame that nobody needs any more stays until its
 * room is needed, for those who come a little later.
 */
import { GRPC_PREFIX_BYTES } from '../../../lib/rpc/pre-framed.js';
import { grains, type Extent, type FrameMemory } from './frame-memory.js';
import type { FrameDone, FrameRequest } from './messages.js';

/** A frame on its way, or there. */
export interface StoredFrame {
  readonly key: string;
  readonly recipeId: number;
  readonly request: FrameRequest;
  /** Of memory, whole grains. */
  readonly numBytes: number;
  /** `wanted`: nobody works at it yet. */
  state: 'wanted' | 'assembling' | 'ready' | 'failed';
  /** From `assembling` on. */
  extent: Extent | undefined;
  /** The message, once it is there: prefix, header and samples. */
  message: Buffer;
  /** Share of its assembly that went into reading records, once it is there. */
  readShare: number;
  /** How often a thread died over it. */
  numDeaths: number;
  readonly users: Set<FrameUser>;
  readonly isReady: Promise<void>;
  readonly settle: { readonly resolve: () => void; readonly reject: (error: Error) => void };
}

/** Who needs a frame. */
export interface FrameUser {
  /** Bytes of memory of the frames that it needs and that have memory. */
  heldBytes: number;
}

const NO_MESSAGE = Buffer.alloc(0);

export class FrameStore {
  readonly #frames = new Map<string, StoredFrame>();
  /** Ready, and nobody's; the oldest first. */
  readonly #spare = new Set<StoredFrame>();
  #spareBytes = 0;

  constructor(private readonly memory: FrameMemory) {}

  /** Bytes that could be had. */
  get availableBytes(): number {
    return this.memory.freeBytes + this.#spareBytes;
  }

  /** The frame of that description, new or one that somebody asked for before; from now on `user` needs it. */
  want(user: FrameUser, recipeId: number, request: FrameRequest, numBytes: number): StoredFrame {
    const key = `${recipeId} ${JSON.stringify(request)}`;
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      const { promise, ...settle } = withResolvers();
      // Who waits for it sees the failure; nobody may be left who does.
      promise.catch(() => undefined);
      frame = {
        ...{ key, recipeId, request, numBytes: grains(numBytes) },
        ...{ state: 'wanted', extent: undefined, message: NO_MESSAGE, readShare: 0, numDeaths: 0 },
        ...{ users: new Set(), isReady: promise, settle },
      };
      this.#frames.set(key, frame);
    } else if (this.#spare.delete(frame)) {
      this.#spareBytes -= frame.numBytes;
    }
    frame.users.add(user);
    if (frame.extent !== undefined) user.heldBytes += frame.numBytes;
    return frame;
  }

  /** `user` needs the frame no more. */
  leave(user: FrameUser, frame: StoredFrame): void {
    if (!frame.users.delete(user)) return;
    if (frame.extent !== undefined) user.heldBytes -= frame.numBytes;
    this.#keepIfNobodys(frame);
  }

  /** Gives a wanted frame its memory. False: there is none. */
  begin(frame: StoredFrame): boolean {
    const extent = this.allocate(frame.numBytes);
    if (extent === undefined) return false;
    frame.extent = extent;
    frame.state = 'assembling';
    for (const user of frame.users) user.heldBytes += frame.numBytes;
    return true;
  }

  /** Whoever waits for the frame gets it, as a thread has made it. */
  finish(frame: StoredFrame, { begin, end, seconds, readSeconds }: FrameDone): void {
    if (frame.extent === undefined) throw new RangeError('expected a frame with memory');
    frame.message = Buffer.from(this.memory.memory.buffer, frame.extent.begin + begin, end - begin);
    frame.readShare = seconds > 0 ? Math.min(1, readSeconds / seconds) : 0;
    frame.state = 'ready';
    frame.settle.resolve();
    this.#keepIfNobodys(frame);
  }

  /** Takes the frame's memory back; it is wanted as before. */
  retract(frame: StoredFrame): void {
    if (frame.extent !== undefined) {
      for (const user of frame.users) user.heldBytes -= frame.numBytes;
      this.#giveBack(frame, frame.extent);
    }
    frame.state = 'wanted';
    if (frame.users.size === 0) this.#frames.delete(frame.key);
  }

  /** Whoever waits for the frame gets the error; who asks for it later begins anew. */
  fail(frame: StoredFrame, error: Error): void {
    this.retract(frame);
    frame.state = 'failed';
    this.#frames.delete(frame.key);
    frame.settle.reject(error);
  }

  /** Memory, if need be that of frames that are nobody's. */
  allocate(numBytes: number): Extent | undefined {
    for (;;) {
      const extent = this.memory.allocate(numBytes);
      if (extent !== undefined) return extent;
      const oldest = this.#spare.values().next();
      if (oldest.done === true) return undefined;
      this.#drop(oldest.value);
    }
  }

  /** Drops what is kept of a recipe that nobody uses any more. */
  forget(recipeId: number): void {
    for (const frame of this.#spare) {
      if (frame.recipeId === recipeId) this.#drop(frame);
    }
  }

  #keepIfNobodys(frame: StoredFrame): void {
    if (frame.users.size > 0) return;
    if (frame.state === 'wanted') this.#frames.delete(frame.key);
    else if (frame.state === 'ready') {
      this.#spare.add(frame);
      this.#spareBytes += frame.numBytes;
    }
  }

  #drop(frame: StoredFrame): void {
    this.#spare.delete(frame);
    this.#spareBytes -= frame.numBytes;
    this.#frames.delete(frame.key);
    if (frame.extent !== undefined) this.#giveBack(frame, frame.extent);
  }

  #giveBack(frame: StoredFrame, extent: Extent): void {
    // The header's first field: who reads the frame in shared memory, and should not any more, can tell.
    frame.message.subarray(GRPC_PREFIX_BYTES, GRPC_PREFIX_BYTES + 1).fill(0);
    frame.message = NO_MESSAGE;
    frame.extent = undefined;
    this.memory.release(extent);
  }
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((onResolved, onRejected) => {
    resolve = onResolved;
    reject = onRejected;
  });
  return { promise, resolve, reject };
}
