/** What the server and its assembly threads say to each other. */
import type { SampleShape } from '../../../lib/core/tensor.js';
import type { Transform } from '../../../lib/core/transform.js';
import type { SampleOptions } from '../../../lib/pixels/sample-decoder.js';

/** What the frames of a stream have in common. */
export interface Recipe {
  readonly transform: Transform;
  /** Of the augmentation draws. */
  readonly seed: number;
  readonly stored: SampleShape;
  /** How records that are image files become samples of the stored shape. */
  readonly samples: SampleOptions;
}

/** One frame, all of it: two frames with the same recipe and the same of this are the same bytes. */
export interface FrameRequest {
  readonly epoch: number;
  readonly step: number;
  readonly firstSample: number;
  readonly batchSize: number;
  readonly isLastStep: boolean;
  readonly epochDigest: string;
  /** Per picture of the frame; the views of a sample stand side by side. */
  readonly ids: readonly number[];
  readonly epochs: readonly number[];
  readonly isValid: readonly number[];
}

export interface RecipeMessage {
  readonly kind: 'recipe';
  readonly recipeId: number;
  readonly recipe: Recipe;
  /** Address of what `kernelValues` gave. */
  readonly values: number;
}

export interface ForgetMessage {
  readonly kind: 'forget';
  readonly recipeId: number;
}

export interface FrameMessage {
  readonly kind: 'frame';
  readonly jobId: number;
  readonly recipeId: number;
  readonly request: FrameRequest;
  /** Where each sample's record lies. */
  readonly descriptors: Int32Array;
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  /** Address of the frame's memory. */
  readonly target: number;
  /** Address and size of the thread's own room, {@link stagingBytes} at least. */
  readonly staging: number;
  readonly stagingBytes: number;
}

/** The thread ends when it has done what it was told before. */
export interface EndMessage {
  readonly kind: 'end';
}

export type ToThread = RecipeMessage | ForgetMessage | FrameMessage | EndMessage;

export interface FrameDone {
  readonly jobId: number;
  /** Where in the frame's memory the message begins and ends. */
  readonly begin: number;
  readonly end: number;
  /** Seconds of work, and those of them that went into reading records. */
  readonly seconds: number;
  readonly readSeconds: number;
}

export interface FrameFailed {
  readonly jobId: number;
  /** Index in the frame of the sample that cannot be had. */
  readonly place: number;
  readonly reason: string;
}

export type FromThread = FrameDone | FrameFailed;

/** What a thread is started with. */
export interface AssemblyThreadInput {
  readonly memory: WebAssembly.SharedMemory;
  /** `MILLRACE_TURBOJPEG`. */
  readonly turbojpeg: string | undefined;
}
