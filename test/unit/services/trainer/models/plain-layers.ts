/**
 * The layers of Caffe's nets in plain arithmetic, over one image as planes `[C][H][W]` in one array: an oracle that shares
 * nothing with tfjs but the formulas.
 */
export interface Planes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float64Array;
}

export interface PlainConvolution {
  readonly size: number;
  readonly stride?: number;
  readonly pad?: number;
  readonly groups?: number;
}

/** Weights as a caffemodel has them: `[outputs][inputs / groups][size][size]`. */
export function plainConvolution(
  x: Planes,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  { size, stride = 1, pad = 0, groups = 1 }: PlainConvolution,
): Planes {
  const numOutputs = bias.length;
  const numInputs = x.channels / groups;
  const height = Math.floor((x.height + 2 * pad - size) / stride) + 1;
  const width = Math.floor((x.width + 2 * pad - size) / stride) + 1;
  const data = new Float64Array(numOutputs * height * width);
  for (let k = 0; k < numOutputs; k++) {
    const firstInput = Math.floor(k / (numOutputs / groups)) * numInputs;
    for (let oy = 0; oy < height; oy++) {
      for (let ox = 0; ox < width; ox++) {
        let sum = bias[k];
        for (let c = 0; c < numInputs; c++) {
          for (let fy = 0; fy < size; fy++) {
            const y = oy * stride - pad + fy;
            if (y < 0 || y >= x.height) continue;
            const row = ((firstInput + c) * x.height + y) * x.width;
            const filterRow = ((k * numInputs + c) * size + fy) * size;
            for (let fx = 0; fx < size; fx++) {
              const at = ox * stride - pad + fx;
              if (at >= 0 && at < x.width) sum += x.data[row + at] * weight[filterRow + fx];
            }
          }
        }
        data[(k * height + oy) * width + ox] = sum;
      }
    }
  }
  return { channels: numOutputs, height, width, data };
}

/** Greatest value or mean of each window; the last one may reach past the edge, as in Caffe. */
export function plainPooling(x: Planes, kind: 'max' | 'average', size: number, stride: number, pad = 0): Planes {
  const count = (length: number): number => {
    const windows = Math.ceil((length + 2 * pad - size) / stride) + 1;
    return pad > 0 && (windows - 1) * stride >= length + pad ? windows - 1 : windows;
  };
  const [height, width] = [count(x.height), count(x.width)];
  const data = new Float64Array(x.channels * height * width);
  for (let c = 0; c < x.channels; c++) {
    for (let oy = 0; oy < height; oy++) {
      for (let ox = 0; ox < width; ox++) {
        const values: number[] = [];
        for (let y = Math.max(0, oy * stride - pad); y < Math.min(x.height, oy * stride - pad + size); y++) {
          for (let at = Math.max(0, ox * stride - pad); at < Math.min(x.width, ox * stride - pad + size); at++) {
            values.push(x.data[(c * x.height + y) * x.width + at]);
          }
        }
        data[(c * height + oy) * width + ox] =
          kind === 'max' ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / values.length;
      }
    }
  }
  return { channels: x.channels, height, width, data };
}

/** Over five channels, with Caffe's alpha 1e-4 and beta 0.75. */
export function plainLocalResponse(x: Planes): Planes {
  const plane = x.height * x.width;
  const data = x.data.map((value, i) => {
    let squares = 0;
    const channel = Math.floor(i / plane);
    for (let c = Math.max(0, channel - 2); c <= Math.min(x.channels - 1, channel + 2); c++) {
      squares += x.data[i + (c - channel) * plane] ** 2;
    }
    return value / (1 + (1e-4 / 5) * squares) ** 0.75;
  });
  return { ...x, data };
}

export function plainRelu<T extends Planes>(x: T): T {
  return { ...x, data: x.data.map((value) => Math.max(0, value)) };
}

/** Weights as a caffemodel has them: `[outputs][inputs]`. */
export function plainDense(x: Planes, weight: ArrayLike<number>, bias: ArrayLike<number>): Planes {
  const numInputs = x.data.length;
  const data = Float64Array.from(bias, (offset, k) => {
    let sum = offset;
    for (let i = 0; i < numInputs; i++) sum += x.data[i] * weight[k * numInputs + i];
    return sum;
  });
  return { channels: bias.length, height: 1, width: 1, data };
}
