/**
 * Assembling frames, in a thread: a record is read into the thread's own room in the shared memory, and its window is placed in the
 * frame, beside which there is no other copy of its pixels.
 */
import { messageOf } from '../../../lib/core/errors.js';
import type { CropWindow } from '../../../lib/core/crop.js';
import { numElements } from '../../../lib/core/tensor.js';
import { sourceShape } from '../../../lib/core/transform.js';
import { augmentedBytes, createAugmenter, type Augmenter } from '../../../lib/pixels/augment/augmenter.js';
import { createColorist } from '../../../lib/pixels/augment/color.js';
import { createCropResizer, cropResizerBytes } from '../../../lib/pixels/augment/resized-crop.js';
import { createSamplePlacer, scratchBytes, type SamplePlacer } from '../../../lib/pixels/sample-kernels.js';
import type { Turbojpeg } from '../../../lib/pixels/turbojpeg-library.js';
import { decodeDatum } from '../../../lib/shards/datum.js';
import { readExactly } from '../../../lib/shards/lmdb-file.js';
import { drawWindows, headerOf } from './frame-draws.js';
import { frameBytes, frameLayout, payloadOffset, writeHeader, type FrameLayout } from './frame-layout.js';
import type { FrameDone, FrameFailed, FrameMessage, Recipe, RecipeMessage } from './messages.js';
import { checkPixels, createRecordDecoder, type RecordDecoder } from './record-decoder.js';

/** Kernels read, and ignore, this much past an image's end. */
const SLACK_BYTES = 16;

/** Bytes that a thread needs for itself, for records of at most `recordBytes`. */
export function stagingBytes(recipe: Recipe, recordBytes: number): number {
  const { record } = stagingPlaces(recipe, 0);
  return record + Math.max(recordBytes, numElements(recipe.stored)) + SLACK_BYTES;
}

/** Where in the thread's room, which begins at `staging`, what lies. */
function stagingPlaces({ transform, stored }: Recipe, staging: number): StagingPlaces {
  const after = (begin: number, numBytes: number): number => begin + Math.ceil(numBytes / 64) * 64;
  const augmented = after(staging, scratchBytes(transform, stored));
  const taps = after(augmented, augmentedBytes(transform, stored));
  const decoded = after(taps, cropResizerBytes(sourceShape(stored, transform)));
  return { scratch: staging, augmented, taps, decoded, record: after(decoded, numElements(stored)) };
}

interface StagingPlaces {
  /** Of the kernel that places. */
  readonly scratch: number;
  readonly augmented: number;
  /** Of the kernel that resizes crops. */
  readonly taps: number;
  /** An image that libturbojpeg has decoded. */
  readonly decoded: number;
  /** A record, or the pixels that it is decoded to. */
  readonly record: number;
}

/** Address of a sample's planar pixels. */
interface Source {
  readonly at: number;
  readonly label: number;
}

/** What works in the thread's room. */
interface Tools {
  readonly staging: number;
  /** Address of a record. */
  readonly record: number;
  readonly place: SamplePlacer;
  /** Undefined: records are cropped as they are. */
  readonly augmenter: Augmenter | undefined;
  /** Made when the first image file is met. */
  decode?: RecordDecoder;
}

interface Kitchen {
  readonly recipe: Recipe;
  readonly layout: FrameLayout;
  readonly values: number;
  /** Made anew when the thread's room has moved. */
  tools?: Tools;
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
    const { recipe } = kitchen;
    const tools = this.#toolsOf(kitchen, job);
    const at = tools.record;
    const record = this.#bytes.subarray(at, at + job.lengths[i]);
    const beganAtMs = performance.now();
    readExactly('the shard', job.descriptors[i], record, job.offsets[i]);
    this.#readMs += performance.now() - beganAtMs;
    const datum = decodeDatum(record);
    const { label } = datum;
    if (!datum.isEncoded) {
      checkPixels(datum.data.length, recipe.stored);
      return { at: datum.data.byteOffset, label };
    }
    if (tools.decode === undefined) {
      const { decoded } = stagingPlaces(recipe, job.staging);
      tools.decode = createRecordDecoder(this.memory, { pixels: at, decoded }, recipe, this.turbojpeg);
    }
    return tools.decode(datum)?.then(() => ({ at, label })) ?? { at, label };
  }

  #toolsOf(kitchen: Kitchen, { staging }: FrameMessage): Tools {
    if (kitchen.tools?.staging !== staging) {
      const { recipe, values } = kitchen;
      const { transform, stored, seed } = recipe;
      const { scratch, augmented, taps, record } = stagingPlaces(recipe, staging);
      const data = this.#bytes.subarray(augmented, augmented + augmentedBytes(transform, stored));
      kitchen.tools = {
        staging,
        record,
        place: createSamplePlacer(this.memory, { scratch, values }, transform, sourceShape(stored, transform)),
        augmenter:
          data.length === 0
            ? undefined
            : createAugmenter(transform, stored, seed, data, {
                resize: createCropResizer(this.memory, taps),
                color: createColorist(this.memory),
              }),
      };
    }
    return kitchen.tools;
  }
}
