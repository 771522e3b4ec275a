/**
 * Assembly for all streams: one crew of threads, one memory, and a fair turn for each. A stream has a line; the lines take turns
 * frame by frame, whoever asks for how much. What is asked for twice is assembled once.
 */
import { MillraceError } from '../../../lib/core/errors.js';
import { sourceShape } from '../../../lib/core/transform.js';
import type { Logger } from '../../../lib/platform/logger.js';
import { kernelValues } from '../../../lib/pixels/sample-kernels.js';
import { holdPlaces, releasePlaces, type RecordPlace } from '../../../lib/shards/shard-reader.js';
import { AssemblyCrew } from './assembly-crew.js';
import { stagingBytes } from './assembler.js';
import { frameBytes, frameLayout, type FrameLayout } from './frame-layout.js';
import { FrameMemory, grains, type Extent } from './frame-memory.js';
import { FrameLine, type LinePool, type LineSource } from './frame-line.js';
import { FrameStore, type StoredFrame } from './frame-store.js';
import type { FrameRequest, RecipeMessage } from './messages.js';
import type { SharedFile } from './shared-file.js';

export interface AssemblyPoolOptions {
  readonly numThreads: number;
  /** Bytes for all frames, means and the threads' own rooms. */
  readonly memoryBytes: number;
  /** Whether other processes of this machine may read the memory, where it can be. Default false. */
  readonly isMemoryShared?: boolean;
  readonly turbojpeg: string | undefined;
  readonly log: Logger;
  /** Told how long a frame took, and how much of that was reading its records. */
  readonly onAssembled: (seconds: number, readSeconds: number) => void;
  /** Called for a frame that a stream gets and that another one asked for before it. */
  readonly onShared: () => void;
}

/** Frames that a line can have at any time, whatever the others hold: one on the wire while another is assembled. */
const FRAMES_PER_LINE = 2;
/** A thread may die of what is nobody's fault; twice over the same frame is not chance. */
const MAX_DEATHS = 2;

interface SharedRecipe {
  readonly message: RecipeMessage;
  readonly layout: FrameLayout;
  readonly values: Extent | undefined;
  numLines: number;
}

export class AssemblyPool implements LinePool {
  readonly #options: AssemblyPoolOptions;
  readonly #memory: FrameMemory;
  readonly #store: FrameStore;
  readonly #crew: AssemblyCrew;
  readonly #recipes = new Map<string, SharedRecipe>();
  readonly #lines: FrameLine[] = [];
  #turn = 0;
  #nextRecipeId = 1;

  /** Throws RangeError when the memory is too small for the threads. */
  constructor(options: AssemblyPoolOptions) {
    this.#options = options;
    this.#memory = new FrameMemory(options.memoryBytes, options.isMemoryShared);
    this.#store = new FrameStore(this.#memory);
    this.#crew = new AssemblyCrew({
      ...{ numThreads: options.numThreads, turbojpeg: options.turbojpeg, log: options.log },
      memory: this.#memory.memory,
      allocate: (numBytes) => this.#store.allocate(numBytes),
      release: (extent) => this.#memory.release(extent),
      onChange: () => this.schedule(),
    });
  }

  /** The memory as other processes can have it; undefined: they cannot. */
  get file(): SharedFile | undefined {
    return this.#memory.file;
  }

  /** Bytes of memory in all. */
  get memoryBytes(): number {
    return this.#memory.numBytes;
  }

  /** Bytes of memory that are not free, frames that are kept for others included. */
  get usedBytes(): number {
    return this.#memory.numBytes - this.#memory.freeBytes;
  }

  /** Bytes of frames that lines hold; one that is shared counts for each. */
  get heldBytes(): number {
    return this.#lines.reduce((sum, line) => sum + line.heldBytes, 0);
  }

  /** Throws ERR_OVER_LIMIT when the memory cannot hold what the line needs at least, beside the others. */
  openLine(source: LineSource): FrameLine {
    const { recipe, batchSize } = source;
    const layout = frameLayout(recipe.transform, recipe.stored);
    const ownBytes = FRAMES_PER_LINE * grains(frameBytes(layout, Math.min(layout.samplesPerFrame, batchSize)));
    const promised = this.#lines.reduce((sum, line) => sum + line.ownBytes, 0);
    if (promised + ownBytes > this.#memory.numBytes / 2) {
      throw new MillraceError(
        'ERR_OVER_LIMIT',
        `this server's memory for batches is taken by ${this.#lines.length} streams; try another server, or give it more --memory`,
        { isRetryable: true },
      );
    }
    const line = new FrameLine(this, source, this.#enter(source, layout), layout, ownBytes);
    this.#lines.push(line);
    return line;
  }

  want(line: FrameLine, request: FrameRequest): StoredFrame {
    const { recipeId } = line.recipe;
    const numBytes = frameBytes(line.layout, request.ids.length);
    const frame = this.#store.want(line, recipeId, request, numBytes);
    if (frame.users.size > 1 || frame.state !== 'wanted') this.#options.onShared();
    return frame;
  }

  leave(line: FrameLine, frame: StoredFrame): void {
    this.#store.leave(line, frame);
    this.schedule();
  }

  closeLine(line: FrameLine): void {
    const at = this.#lines.indexOf(line);
    if (at < 0) return;
    this.#lines.splice(at, 1);
    if (at < this.#turn) this.#turn--;
    for (const [key, recipe] of this.#recipes) {
      if (recipe.message !== line.recipe || --recipe.numLines > 0) continue;
      this.#recipes.delete(key);
      this.#crew.forget(recipe.message.recipeId);
      this.#store.forget(recipe.message.recipeId);
      if (recipe.values !== undefined) this.#memory.release(recipe.values);
    }
    this.schedule();
  }

  /** Ends the threads. Lines must be closed. */
  async close(): Promise<void> {
    await this.#crew.close();
    this.#memory.file?.close();
  }

  schedule(): void {
    while (this.#crew.hasRoom && this.#giveTurn());
    if (!this.#crew.isBroken) return;
    const error = new MillraceError(
      'ERR_UNAVAILABLE',
      'this server cannot assemble batches any more; go on with another one',
    );
    for (const line of this.#lines) {
      for (let frame = line.nextWanted(); frame !== undefined; frame = line.nextWanted())
        this.#store.fail(frame, error);
    }
  }

  /** Begins one frame, of the next line that can have one. False: there is none. */
  #giveTurn(): boolean {
    const numLines = this.#lines.length;
    const promised = this.#lines.reduce((sum, line) => sum + line.dueBytes, 0);
    for (let i = 0; i < numLines; i++) {
      const at = (this.#turn + i) % numLines;
      const line = this.#lines[at];
      const frame = line.nextWanted();
      if (frame === undefined) continue;
      // Beyond what is its own, a line may take only what no other one has been promised.
      const isOwn = line.heldBytes + frame.numBytes <= line.ownBytes;
      const room = this.#store.availableBytes - (promised - line.dueBytes);
      if (!isOwn && room < frame.numBytes) continue;
      if (!this.#begin(line, frame)) continue;
      this.#turn = (at + 1) % numLines;
      return true;
    }
    return false;
  }

  #begin(line: FrameLine, frame: StoredFrame): boolean {
    if (!this.#store.begin(frame) || frame.extent === undefined) return false;
    let places: RecordPlace[];
    let descriptors: Int32Array;
    try {
      places = frame.request.ids.map((id) => line.source.placeOf(id));
      descriptors = holdPlaces(places);
    } catch (error) {
      this.#store.fail(frame, error as Error);
      return true;
    }
    const recordBytes = Math.max(...places.map((place) => place.numBytes));
    const running = this.#crew.tryRun(line.recipe, stagingBytes(line.source.recipe, recordBytes), {
      recipeId: frame.recipeId,
      request: frame.request,
      descriptors,
      offsets: Float64Array.from(places, (place) => place.offset),
      lengths: Uint32Array.from(places, (place) => place.numBytes),
      target: frame.extent.begin,
    });
    if (running === undefined) {
      releasePlaces(places);
      this.#store.retract(frame);
      return false;
    }
    void running.then((answer) => {
      releasePlaces(places);
      if (answer === undefined) this.#lost(frame);
      else if ('reason' in answer) {
        const { path } = places[answer.place].file;
        const id = frame.request.ids[answer.place];
        this.#store.fail(frame, new MillraceError('ERR_SHARD_CORRUPT', `${path}, sample ${id}: ${answer.reason}`));
      } else {
        this.#options.onAssembled(answer.seconds, answer.readSeconds);
        this.#store.finish(frame, answer);
      }
      this.schedule();
    });
    return true;
  }

  /** A thread died over the frame. */
  #lost(frame: StoredFrame): void {
    frame.numDeaths++;
    if (frame.numDeaths < MAX_DEATHS && frame.users.size > 0) {
      this.#store.retract(frame);
      for (const line of this.#lines) {
        if (frame.users.has(line)) line.wantAgain(frame);
      }
    } else {
      this.#store.fail(frame, new MillraceError('ERR_UNAVAILABLE', 'assembly of a batch ended its thread, twice'));
    }
  }

  #enter({ version, recipe, mean }: LineSource, layout: FrameLayout): RecipeMessage {
    const key = JSON.stringify([version, recipe]);
    let shared = this.#recipes.get(key);
    if (shared === undefined) {
      const values = kernelValues(recipe.transform, sourceShape(recipe.stored, recipe.transform), mean);
      const extent = values.length === 0 ? undefined : this.#store.allocate(values.byteLength);
      if (values.length > 0 && extent === undefined) {
        throw new MillraceError(
          'ERR_OVER_LIMIT',
          'this server has no memory left for another mean; give it more --memory',
          {
            isRetryable: true,
          },
        );
      }
      if (extent !== undefined) new Float32Array(this.#memory.memory.buffer, extent.begin, values.length).set(values);
      const message: RecipeMessage = {
        kind: 'recipe',
        recipeId: this.#nextRecipeId++,
        recipe,
        values: extent?.begin ?? 0,
      };
      shared = { message, layout, values: extent, numLines: 0 };
      this.#recipes.set(key, shared);
    }
    shared.numLines++;
    return shared.message;
  }
}
