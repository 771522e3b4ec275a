/** A StreamBatches request, checked against the split it is for and turned into one complete plan. */
import { EndOfEpoch, Shuffle, type StreamBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import { createBatchPlanner, type BatchAddress, type BatchPlanner, type Slice } from '../../lib/core/batch-plan.js';
import { DEFAULT_BLOCKS } from '../../lib/core/arrangement.js';
import { MillraceError } from '../../lib/core/errors.js';
import { numViewsOf, type Transform } from '../../lib/core/transform.js';
import type { Manifest } from '../../lib/shards/manifest.js';
import type { SplitReader } from '../../lib/shards/split-reader.js';
import { check, checkNumber, enumOf } from './check-field.js';
import { selectionOf } from './selection-request.js';
import { checkTransform } from './transform-request.js';

/** What a stream does, complete and in range. */
export interface StreamPlan {
  readonly planner: BatchPlanner;
  readonly slice: Slice;
  readonly from: BatchAddress;
  /** The first epoch that is not served; undefined: none. */
  readonly endEpoch: number | undefined;
  readonly transform: Transform;
}

/** Most pictures of a global batch. */
export const MAX_GLOBAL_BATCH = 1 << 20;
/** Epochs are 32 bits of a key, and a run must be able to go past the last one that it was begun at. */
const MAX_EPOCH = 2 ** 31;
/** The most samples of a block, and of a window of blocks. */
const MAX_BLOCK_SAMPLES = 2 ** 24;

/**
 * `splits` are the request's, opened and in its order. Nothing is allocated before all fields have been found in range but labels,
 * and those once a split.
 * Throws UsageError naming the field, ERR_VERSION_CHANGED when the client began with another version, ERR_OUT_OF_RANGE when the
 * step is past the end of its epoch; what reading labels throws.
 */
export async function planStream(request: StreamBatchesRequest, splits: readonly SplitReader[]): Promise<StreamPlan> {
  const [{ manifest }] = splits;
  checkVersions(request, splits);
  for (const [i, other] of splits.entries()) {
    const { height, width, channels } = other.manifest.shape;
    const isSame =
      height === manifest.shape.height && width === manifest.shape.width && channels === manifest.shape.channels;
    const isPreparedAlike = isRaw(other.manifest) || sampleOptionsOf(other.manifest) === sampleOptionsOf(manifest);
    check(isPreparedAlike, `sources[${i}].split`, 'a split prepared as the first one', sampleOptionsOf(other.manifest));
    check(isSame, `sources[${i}].split`, "samples of the first split's shape", `${channels}×${height}×${width}`);
  }
  const transform = checkTransform(request.transform, manifest.shape);
  const numViews = numViewsOf(transform);
  const worldSize = request.worldSize === 0 ? 1 : request.worldSize;
  const { globalBatchSize, epoch, step, numEpochs } = request;
  checkNumber(request.seed, 'seed', 0, Number.MAX_SAFE_INTEGER);
  checkNumber(step, 'step', 0, Number.MAX_SAFE_INTEGER);
  checkNumber(globalBatchSize, 'global_batch_size', 1, MAX_GLOBAL_BATCH / numViews);
  check(
    globalBatchSize % worldSize === 0,
    'world_size',
    `a divisor of global_batch_size ${globalBatchSize}`,
    worldSize,
  );
  check(request.rank < worldSize, 'rank', `below world_size ${worldSize}`, request.rank);
  checkMixing(transform, globalBatchSize / worldSize);
  checkNumber(epoch, 'epoch', 0, MAX_EPOCH);
  const blockSamples = request.blockSamples === 0 ? DEFAULT_BLOCKS.blockSamples : request.blockSamples;
  const windowBlocks = request.windowBlocks === 0 ? DEFAULT_BLOCKS.windowBlocks : request.windowBlocks;
  checkNumber(blockSamples, 'block_samples', 1, MAX_BLOCK_SAMPLES);
  checkNumber(windowBlocks, 'window_blocks', 1, MAX_BLOCK_SAMPLES);
  const shuffle = enumOf(SHUFFLE, request.shuffle, 'shuffle');
  const endOfEpoch = enumOf(END_OF_EPOCH, request.endOfEpoch, 'end_of_epoch');

  const planner = createBatchPlanner({
    selection: await selectionOf(request, splits),
    seed: request.seed,
    shuffle,
    blocks: { blockSamples, windowBlocks },
    endOfEpoch,
    globalBatchSize,
    numViews,
  });
  const { samplesPerEpoch } = planner;
  checkNumber(epoch + numEpochs + 1, 'epoch', 0, Math.floor(Number.MAX_SAFE_INTEGER / samplesPerEpoch));
  const numSteps = planner.numSteps(epoch);
  check(
    endOfEpoch !== 'drop' || numSteps > 0,
    'global_batch_size',
    `at most the ${samplesPerEpoch} samples of an epoch unless end_of_epoch is PAD or WRAP`,
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
    transform,
  };
}

const SHUFFLE = {
  [Shuffle.UNSPECIFIED]: 'full',
  [Shuffle.FULL]: 'full',
  [Shuffle.NONE]: 'none',
  [Shuffle.BLOCKS]: 'blocks',
} as const;

const END_OF_EPOCH = {
  [EndOfEpoch.UNSPECIFIED]: 'drop',
  [EndOfEpoch.DROP]: 'drop',
  [EndOfEpoch.PAD]: 'pad',
  [EndOfEpoch.WRAP]: 'wrap',
} as const;

function isRaw({ options }: Manifest): boolean {
  return options.record === 'raw';
}

/** How records that are image files become samples: one way a stream. */
function sampleOptionsOf({ options: { resize, fit, size, decodeScale, exif } }: Manifest): string {
  return `resize ${resize}, fit ${fit}, size ${size ?? 'any'}, ${decodeScale === true ? '' : 'no '}decode scale, EXIF ${exif ?? 'followed'}`;
}

function checkVersions(request: StreamBatchesRequest, splits: readonly SplitReader[]): void {
  splits.forEach(({ manifest }, i) => {
    const [wanted, field] =
      request.sources.length === 0
        ? [request.version, 'version']
        : [request.sources[i].version, `sources[${i}].version`];
    if (wanted === '' || wanted === manifest.version) return;
    throw new MillraceError(
      'ERR_VERSION_CHANGED',
      `${field}: the stream began on ${wanted}, this server has ${manifest.version} of ` +
        `${manifest.dataset}/${manifest.split}; start anew with an empty version, or bring the old data back`,
    );
  });
}

function checkMixing({ mixing, cropMode }: Transform, batchSize: number): void {
  if (mixing.mixupAlpha === 0 && mixing.cutmixAlpha === 0) return;
  check(cropMode !== 'ten', 'transform.mixing', 'none beside CROP_MODE_TEN', 'both');
  check(batchSize % 2 === 0, 'global_batch_size', 'an even batch for each rank, as transform.mixing needs', batchSize);
}
