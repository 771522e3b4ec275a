/** The frames of a stream, in order: each step's batch of this rank, cut into frames. Pure. */
import type { BatchAddress } from '../../lib/core/batch-plan.js';
import { createIdDigest } from '../../lib/core/id-digest.js';
import type { FrameRequest } from './assembly/messages.js';
import type { StreamPlan } from './stream-request.js';

export interface PlannedFrame {
  readonly request: FrameRequest;
  readonly position: BatchAddress;
  /** Whether the batch is whole with this frame. */
  readonly isEndOfBatch: boolean;
}

/** Ends with the last of the epochs asked for; never, when none is the last. */
export function* frameRequests(plan: StreamPlan, samplesPerFrame: number): Generator<PlannedFrame, void, undefined> {
  const digest = createIdDigest();
  let { epoch, step } = plan.from;
  for (; plan.endEpoch === undefined || epoch < plan.endEpoch; epoch++, step = 0) {
    digest.reset();
    for (const numSteps = plan.planner.numSteps(epoch); step < numSteps; step++) {
      const position = { epoch, step };
      const { ids, epochs, isValid } = plan.planner.plan(position, plan.slice);
      const batchSize = ids.length;
      ids.forEach((id, i) => {
        if (isValid[i] === 1) digest.add(id);
      });
      const isLastStep = step === numSteps - 1;
      for (let begin = 0; begin < batchSize; begin += samplesPerFrame) {
        const end = Math.min(begin + samplesPerFrame, batchSize);
        const isEndOfBatch = end === batchSize;
        const request: FrameRequest = {
          ...position,
          firstSample: begin,
          batchSize,
          isLastStep,
          epochDigest: isLastStep && isEndOfBatch ? digest.hex() : '',
          ids: Array.from(ids.subarray(begin, end)),
          epochs: Array.from(epochs.subarray(begin, end)),
          isValid: Array.from(isValid.subarray(begin, end)),
        };
        yield { request, position, isEndOfBatch };
      }
    }
  }
}
