/**
 * Assembling frames, in a thread: a record is read into the thread's own room in the shared memory, and its window is placed in the
 * frame, beside which there is no other copy of its pixels.
 */
import { messageOf } from '../../../lib/core/errors.js';
import type { CropWindow } from '../../../lib/core/crop.js';
import { numElements } from '../../../lib/core/tensor.js';
import { sourceShape } from '../../../lib/core/transform.js';
import { augmentedBytes, createAugmenter, type Augmenter } from '../../../lib/pixels/augment/augmenter.js';
import { createSampleDecoder, type SampleDecoder, type SamplePixels } from '../../../lib/pixels/sample-decoder.js';
import { createSamplePlacer, scratchBytes, type SamplePlacer } from '../../../lib/pixels/sample-kernels.js';
import type { Turbojpeg } from '../../../lib/pixels/turbojpeg-library.js';
import { decodeDatum } from '../../../lib/shards/datum.js';
import { readExactly } from '../../../lib/shards/lmdb-file.js';
import { drawWindows, headerOf } from './frame-draws.js';
import { frameBytes, frameLayout, payloadOffset, writeHeader, type FrameLayout } from './frame-layout.js';
import type { FrameDone, FrameFailed, FrameMessage, Recipe, RecipeMessage } from './messages.js';

/**
 * Bytes that a thread needs for itself, for records of at most `recordBytes`: the kernel's scratch, what is augmented, and a record or
 * a decoded image, in this order.
 */
export function stagingBytes(recipe: Recipe, recordBytes: number): number {
  return scratchRoom(recipe) + augmentedRoom(recipe) + Math.max(recordBytes, numElements(recipe.stored));
}

function scratchRoom({ transform, stored }: Recipe): number {
  return Math.ceil(scratchBytes(transform, stored) / 64) * 64;
}

function augmentedRoom({ transform, stored }: Recipe): number {
  return Math.ceil(augmentedBytes(transform, stored) / 64) * 64;
}

/** Address of a sample's planar pixels. */
interface Source {
  readonly at: number;
  readonly label: number;
}

/** What works in the thread's room. */
interface Tools {
  readonly staging: number;
  readonly place: SamplePlacer;
  /** Undefined: records are cropped as they are. */
  readonly augmenter: Augmenter | undefined;
}

interface Kitchen {
  readonly recipe: Recipe;
  readonly layout: FrameLayout;
  readonly values: number;
  /** Made anew when the thread's room has moved. */
  tools?: Tools;
  decode?: SampleDecoder;
}

export class Assembler {
  readonly #bytes: Uint8Array;
  /** Milliseconds of reading records, of the frame that is being assembled. */
  #readMs = 0;
  readonly #kitchens = new Map<number, Kitchen>();

  constructor(
    private readonly memory: WebAssembly.SharedMemory,
    private readonly turbojpeg: Turbojpeg | undefined,
  ) {
    this.#bytes = new Uint8Array(memory.buffer);
  }

  learn({ recipeId, recipe, values }: RecipeMessage): void {
    this.#kitchens.set(recipeId, { recipe, values, layout: frameLayout(recipe.transform, recipe.stored) });
  }

  forget(recipeId: number): void {
    this.#kitchens.delete(recipeId);
  }

  /** Assembles a frame at its place. Never throws: a record that cannot be had is told in the answer. */
  async assemble(job: FrameMessage): Promise<FrameDone | FrameFailed> {
    const beganAtMs = performance.now();
    this.#readMs = 0;
    const { jobId, request, target } = job;
    const kitchen = this.#kitchens.get(job.recipeId);
    if (kitchen === undefined) return { jobId, place: 0, reason: `there is no recipe ${job.recipeId}` };
    const { recipe, layout } = kitchen;
    const { ids } = request;
    const windows = drawWindows(recipe, request);
    const labels = new Array<number>(ids.length);
    const pixels = payloadOffset(ids.length);
    for (let i = 0; i < ids.length; i++) {
      try {
        const source = this.#read(job, i, kitchen);
        const { at, label } = source instanceof Promise ? await source : source;
        labels[i] = label;
        this.#place(job, i, kitchen, at, windows[i], target + pixels + i * layout.sampleBytes);
      } catch (error) {
        return { jobId, place: i, reason: messageOf(error) };
      }
    }
    const numBytes = frameBytes(layout, ids.length);
    const header = headerOf(recipe, request, windows, labels);
    const begin = writeHeader(this.#bytes.subarray(target, target + numBytes), layout, header);
    const seconds = (performance.now() - beganAtMs) / 1000;
    return { jobId, begin, end: numBytes, seconds, readSeconds: this.#readMs / 1000 };
  }

  /** Augments the pixels at `at` if need be, and places their window. */
  #place(job: FrameMessage, i: number, kitchen: Kitchen, at: number, window: CropWindow, target: number): void {
    const { augmenter, place } = this.#toolsOf(kitchen, job);
    if (augmenter === undefined) {
      place(at, window, target);
      return;
    }
    const pixels = this.#bytes.subarray(at, at + numElements(kitchen.recipe.stored));
    const { epochs, ids } = job.request;
    place(augmenter.augment(pixels, window, epochs[i], ids[i]).byteOffset, window, target);
  }

  /** Brings a sample's planar pixels into the thread's room. Throws when the record is cut short or no sample. */
  #read(job: FrameMessage, i: number, kitchen: Kitchen): Source | Promise<Source> {
    const room = job.staging + scratchRoom(kitchen.recipe) + augmentedRoom(kitchen.recipe);
    const record = this.#bytes.subarray(room, room + job.lengths[i]);
    const beganAtMs = performance.now();
    readExactly('the shard', job.descriptors[i], record, job.offsets[i]);
    this.#readMs += performance.now() - beganAtMs;
    const datum = decodeDatum(record);
    const { label } = datum;
    if (!datum.isEncoded) {
      this.#check(datum.data.length, kitchen);
      return { at: datum.data.byteOffset, label };
    }
    // A copy: decoders are native code, and take no shared memory.
    const decoded = this.#decoderOf(kitchen)({ ...datum, data: datum.data.slice() });
    const take = ({ data }: SamplePixels): Source => {
      this.#check(data.length, kitchen);
      this.#bytes.set(data, room);
      return { at: room, label };
    };
    return decoded instanceof Promise ? decoded.then(take) : take(decoded);
  }

  #decoderOf(kitchen: Kitchen): SampleDecoder {
    kitchen.decode ??= createSampleDecoder(kitchen.recipe.samples, this.turbojpeg);
    return kitchen.decode;
  }

  #check(numBytes: number, { recipe: { stored } }: Kitchen): void {
    if (numBytes === numElements(stored)) return;
    throw new RangeError(`${numBytes} bytes of pixels where the manifest says ${numElements(stored)}`);
  }

  #toolsOf(kitchen: Kitchen, { staging }: FrameMessage): Tools {
    if (kitchen.tools?.staging !== staging) {
      const { recipe, values } = kitchen;
      const { transform, stored, seed } = recipe;
      const numBytes = augmentedBytes(transform, stored);
      const begin = staging + scratchRoom(recipe);
      const room = { scratch: staging, values };
      kitchen.tools = {
        staging,
        place: createSamplePlacer(this.memory, room, transform, sourceShape(stored, transform)),
        augmenter:
          numBytes === 0
            ? undefined
            : createAugmenter(transform, stored, seed, this.#bytes.subarray(begin, begin + numBytes)),
      };
    }
    return kitchen.tools;
  }
}
