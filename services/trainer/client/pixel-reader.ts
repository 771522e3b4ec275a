/** A frame's pixels as float32, whatever the wire carried; where it was uint8, the mean is subtracted here. */
import type { BatchFrame } from '../../../protos/gen/millrace/v1/batch.js';
import { fromBfloat16, fromFloat16 } from '../../../lib/core/half-float.js';
import { numElements, type SampleShape } from '../../../lib/core/tensor.js';
import { createMeanSubtractor, croppedShape, type Mean, type Transform } from '../../../lib/core/transform.js';

const FLAG_MIRRORED = 1;

/** Writes all of a frame's pictures to `images`, which is just as long. */
export type ReadPixels = (images: Float32Array, frame: BatchFrame) => void;

export function createPixelReader(transform: Transform, stored: SampleShape, mean: Mean): ReadPixels {
  const { dtype, cropMode } = transform;
  switch (dtype) {
    case 'float32':
      return (images, { pixels }) => {
        // A copy into aligned memory.
        new Uint8Array(images.buffer, images.byteOffset, images.byteLength).set(pixels);
      };
    case 'float16':
    case 'bfloat16': {
      const table = Float32Array.from({ length: 0x1_0000 }, (_, bits) =>
        dtype === 'float16' ? fromFloat16(bits) : fromBfloat16(bits),
      );
      return (images, { pixels }) => {
        for (let i = 0; i < images.length; i++) images[i] = table[pixels[2 * i] | (pixels[2 * i + 1] << 8)];
      };
    }
    case 'uint8': {
      const subtractor = createMeanSubtractor(transform, stored, mean);
      const { height, width, channels } = croppedShape(stored, transform);
      const elements = numElements({ height, width, channels });
      // What was resized has no place in the source: the subtractor then has a picture of just this size.
      const isResized = cropMode === 'random-resized';
      return (images, frame) => {
        for (let i = 0; i < frame.ids.length; i++) {
          const window = {
            y: isResized ? 0 : frame.cropY[i],
            x: isResized ? 0 : frame.cropX[i],
            height,
            width,
            isMirrored: (frame.flags[i] & FLAG_MIRRORED) !== 0,
          };
          subtractor.subtract(images, frame.pixels, i * elements, window);
        }
      };
    }
  }
}
