import type { SampleShape } from '../../../lib/core/tensor.js';
import type { Mean } from '../../../lib/core/transform.js';

/** What a server says of a split. */
export interface DatasetInfo {
  readonly dataset: string;
  readonly split: string;
  readonly version: string;
  readonly numSamples: number;
  /** Of a stored sample, before any crop. */
  readonly shape: SampleShape;
  /** By label. */
  readonly classes: readonly { readonly id: string; readonly name: string }[];
  readonly mean: Mean;
  /** How an image became a sample; undefined when the server is too old to say. */
  readonly preparation: Preparation | undefined;
}

/** What was done to images, for who wants to do the same. */
export interface Preparation {
  readonly resize: 'caffe' | 'area';
  readonly fit: 'exact' | 'cover';
}
