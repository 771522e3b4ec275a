import type * as TfjsCore from '@tensorflow/tfjs-core';

/** tfjs itself, with whichever backend has been opened; handed around because two copies of it do not know each other's tensors. */
export type Tf = typeof TfjsCore;
