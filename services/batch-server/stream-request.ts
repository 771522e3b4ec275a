/** A StreamBatches request, checked against the split it is for and turned into one complete plan. */
import {
  ChannelOrder,
  CropMode,
  EndOfEpoch,
  Layout,
  MeanMode,
  Shuffle,
  WireDtype,
  type StreamBatchesRequest,
  type Transform as WireTransform,
} from '../../protos/gen/millrace/v1/batch.js';
import { createBatchPlanner, type BatchAddress, type BatchPlanner, type Slice } from '../../lib/core/batch-plan.js';
import { MillraceError, UsageError } from '../../lib/core/errors.js';
import { BYTES_PER_ELEMENT, numElements, type SampleShape } from '../../lib/core/tensor.js';
import { croppedShape, type Transform } from '../../lib/core/transform.js';
import type { Manifest } from '../../lib/shards/manifest.js';

/** What a stream does, complete and in range. */
export interface StreamPlan {
  readonly planner: BatchPlanner;
  readonly slice: Slice;
  readonly from: BatchAddress;
  /** The first epoch that is not served; undefined: none. */
  readonly endEpoch: number | undefined;
  readonly transform: Transform;
}

/** Most samples of a global batch. */
export const MAX_GLOBAL_BATCH = 1 << 20;
/** Most bytes of one sample on the wire: with its header it stays below gRPC's default limit of 4 MiB. */
export const MAX_SAMPLE_BYTES = 3.5 * (1 << 20);

/**
 * Throws UsageError naming the field, ERR_VERSION_CHANGED when the client began with another version, ERR_OUT_OF_RANGE when the
 * step is past the end of its epoch.
 */
export function planStream(request: StreamBatchesRequest, manifest: Manifest): StreamPlan {
  if (request.version !== '' && request.version !== manifest.version) {
    throw new MillraceError(
      'ERR_VERSION_CHANGED',
      `version: the stream began on ${request.version}, this server has ${manifest.version} of ` +
        `${manifest.dataset}/${manifest.split}; start anew with an empty version, or bring the old data back`,
    );
  }
  const worldSize = request.worldSize === 0 ? 1 : request.worldSize;
  const globalBatchSize = request.globalBatchSize;
  check(
    globalBatchSize >= 1 && globalBatchSize <= MAX_GLOBAL_BATCH,
    'global_batch_size',
    `1 to ${MAX_GLOBAL_BATCH}`,
    globalBatchSize,
  );
  check(
    globalBatchSize % worldSize === 0,
    'world_size',
    `a divisor of global_batch_size ${globalBatchSize}`,
    worldSize,
  );
  check(request.rank < worldSize, 'rank', `below world_size ${worldSize}`, request.rank);

  const planner = createBatchPlanner({
    numSamples: manifest.numSamples,
    seed: request.seed,
    shuffle: request.shuffle === Shuffle.NONE ? 'none' : 'full',
    endOfEpoch: END_OF_EPOCH[request.endOfEpoch],
    globalBatchSize,
  });
  const { epoch, step, numEpochs } = request;
  const numSteps = planner.numSteps(epoch);
  check(
    planner.order.endOfEpoch !== 'drop' || numSteps > 0,
    'global_batch_size',
    `at most the ${manifest.numSamples} samples of the split unless end_of_epoch is PAD or WRAP`,
    globalBatchSize,
  );
  // The step just past the end is where a client stands after an epoch: it means the next one.
  if (step > numSteps) {
    throw new MillraceError(
      'ERR_OUT_OF_RANGE',
      `step: expected at most ${numSteps} (the steps of epoch ${epoch}), got ${step}`,
    );
  }
  return {
    planner,
    slice: { rank: request.rank, worldSize },
    from: step === numSteps ? { epoch: epoch + 1, step: 0 } : { epoch, step },
    endEpoch: numEpochs === 0 ? undefined : epoch + numEpochs,
    transform: checkTransform(request.transform, manifest.shape),
  };
}

const END_OF_EPOCH = {
  [EndOfEpoch.UNSPECIFIED]: 'drop',
  [EndOfEpoch.DROP]: 'drop',
  [EndOfEpoch.PAD]: 'pad',
  [EndOfEpoch.WRAP]: 'wrap',
} as const;

const MEAN_MODE = {
  [MeanMode.UNSPECIFIED]: 'image',
  [MeanMode.IMAGE]: 'image',
  [MeanMode.CHANNEL]: 'channel',
  [MeanMode.NONE]: 'none',
} as const;

const DTYPE = {
  [WireDtype.UNSPECIFIED]: 'uint8',
  [WireDtype.UINT8]: 'uint8',
  [WireDtype.FLOAT32]: 'float32',
  [WireDtype.FLOAT16]: 'float16',
  [WireDtype.BFLOAT16]: 'bfloat16',
} as const;

function checkTransform(wire: WireTransform | undefined, stored: SampleShape): Transform {
  const cropSize = wire?.cropSize ?? 0;
  const side = Math.min(stored.height, stored.width);
  check(cropSize <= side, 'transform.crop_size', `at most the stored ${stored.height}×${stored.width}`, cropSize);
  const scale = wire?.scale ?? 0;
  check(Number.isFinite(scale), 'transform.scale', 'a finite number', scale);
  const transform: Transform = {
    cropSize: cropSize === 0 ? undefined : cropSize,
    cropMode: wire?.cropMode === CropMode.CENTER ? 'center' : 'random',
    mirror: wire?.mirror ?? false,
    mean: MEAN_MODE[wire?.mean ?? MeanMode.UNSPECIFIED],
    scale: scale === 0 ? 1 : scale,
    dtype: DTYPE[wire?.dtype ?? WireDtype.UNSPECIFIED],
    layout: wire?.layout === Layout.NCHW ? 'NCHW' : 'NHWC',
    channelOrder: wire?.channelOrder === ChannelOrder.RGB ? 'RGB' : 'BGR',
  };
  const bytes = numElements(croppedShape(stored, transform)) * BYTES_PER_ELEMENT[transform.dtype];
  check(
    bytes <= MAX_SAMPLE_BYTES,
    'transform',
    `a sample of at most ${MAX_SAMPLE_BYTES} bytes (crop it, or take uint8)`,
    bytes,
  );
  return transform;
}

function check(isRight: boolean, field: string, expected: string, got: number): void {
  if (!isRight) throw new UsageError(field, `${field}: expected ${expected}, got ${got}`);
}
