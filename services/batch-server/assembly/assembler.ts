/**
 * Assembling frames, in a thread: a record is read into the thread's own room in the shared memory, and its window is placed in the
 * frame, beside which there is no other copy of its pixels.
 */
import { messageOf } from '../../../lib/core/errors.js';
import { numElements, shapeInLayout } from '../../../lib/core/tensor.js';
import { croppedShape, windowOf } from '../../../lib/core/transform.js';
import { createSampleDecoder, type SampleDecoder, type SamplePixels } from '../../../lib/pixels/sample-decoder.js';
import { createSamplePlacer, scratchBytes, type SamplePlacer } from '../../../lib/pixels/sample-kernels.js';
import type { Turbojpeg } from '../../../lib/pixels/turbojpeg-library.js';
import { decodeDatum } from '../../../lib/shards/datum.js';
import { readExactly } from '../../../lib/shards/lmdb-file.js';
import { frameBytes, frameLayout, payloadOffset, writeHeader, type FrameLayout } from './frame-layout.js';
import type { FrameDone, FrameFailed, FrameMessage, Recipe, RecipeMessage } from './messages.js';

const FLAG_MIRRORED = 1;
const FLAG_PADDING = 2;

/** Bytes that a thread needs for itself, for records of at most `recordBytes`: a record or a decoded image, and the kernel's scratch. */
export function stagingBytes({ transform, stored }: Recipe, recordBytes: number): number {
  return scratchRoom({ transform, stored }) + Math.max(recordBytes, numElements(stored));
}

function scratchRoom({ transform, stored }: Pick<Recipe, 'transform' | 'stored'>): number {
  return Math.ceil(scratchBytes(transform, stored) / 64) * 64;
}

/** Address of a sample's planar pixels. */
interface Source {
  readonly at: number;
  readonly label: number;
}

interface Kitchen {
  readonly recipe: Recipe;
  readonly layout: FrameLayout;
  readonly mean: number;
  /** Made anew when the thread's room has moved. */
  placer?: { readonly staging: number; readonly place: SamplePlacer };
  decode?: SampleDecoder;
}

export class Assembler {
  readonly #bytes: Uint8Array;
  readonly #kitchens = new Map<number, Kitchen>();

  constructor(
    private readonly memory: WebAssembly.SharedMemory,
    private readonly turbojpeg: Turbojpeg | undefined,
  ) {
    this.#bytes = new Uint8Array(memory.buffer);
  }

  learn({ recipeId, recipe, mean }: RecipeMessage): void {
    this.#kitchens.set(recipeId, { recipe, mean, layout: frameLayout(recipe.transform, recipe.stored) });
  }

  forget(recipeId: number): void {
    this.#kitchens.delete(recipeId);
  }

  /** Assembles a frame at its place. Never throws: a record that cannot be had is told in the answer. */
  async assemble(job: FrameMessage): Promise<FrameDone | FrameFailed> {
    const beganAtMs = performance.now();
    const { jobId, request, target } = job;
    const kitchen = this.#kitchens.get(job.recipeId);
    if (kitchen === undefined) return { jobId, place: 0, reason: `there is no recipe ${job.recipeId}` };
    const { recipe, layout } = kitchen;
    const { transform, stored, seed } = recipe;
    const { ids } = request;
    const windows = ids.map((id, i) => windowOf(transform, stored, seed, request.epochs[i], id));
    const labels = new Array<number>(ids.length);
    const pixels = payloadOffset(ids.length);
    for (let i = 0; i < ids.length; i++) {
      try {
        const source = this.#read(job, i, kitchen);
        const { at, label } = source instanceof Promise ? await source : source;
        labels[i] = label;
        this.#placerOf(kitchen, job)(at, windows[i], target + pixels + i * layout.sampleBytes);
      } catch (error) {
        return { jobId, place: i, reason: messageOf(error) };
      }
    }
    const numBytes = frameBytes(layout, ids.length);
    const begin = writeHeader(this.#bytes.subarray(target, target + numBytes), layout, {
      epoch: request.epoch,
      step: request.step,
      firstSample: request.firstSample,
      batchSize: request.batchSize,
      isLastStep: request.isLastStep,
      epochDigest: request.epochDigest,
      sampleShape: [...shapeInLayout(croppedShape(stored, transform), transform.layout)],
      ids: [...ids],
      labels,
      cropY: windows.map((window) => window.y),
      cropX: windows.map((window) => window.x),
      flags: Buffer.from(
        windows.map(
          ({ isMirrored }, i) => (isMirrored ? FLAG_MIRRORED : 0) | (request.isValid[i] === 1 ? 0 : FLAG_PADDING),
        ),
      ),
    });
    return { jobId, begin, end: numBytes, seconds: (performance.now() - beganAtMs) / 1000 };
  }

  /** Brings a sample's planar pixels into the thread's room. Throws when the record is cut short or no sample. */
  #read(job: FrameMessage, i: number, kitchen: Kitchen): Source | Promise<Source> {
    const room = job.staging + scratchRoom(kitchen.recipe);
    const record = this.#bytes.subarray(room, room + job.lengths[i]);
    readExactly('the shard', job.descriptors[i], record, job.offsets[i]);
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

  #placerOf(kitchen: Kitchen, { staging }: FrameMessage): SamplePlacer {
    if (kitchen.placer?.staging !== staging) {
      const { transform, stored } = kitchen.recipe;
      const room = { scratch: staging, mean: kitchen.mean };
      kitchen.placer = { staging, place: createSamplePlacer(this.memory, room, transform, stored) };
    }
    return kitchen.placer.place;
  }
}
