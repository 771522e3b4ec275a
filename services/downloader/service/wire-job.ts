/** A job as it goes over the wire. */
import { JobState as WireState, type Job as WireJob } from '../../../protos/gen/millrace/v1/download.js';
import type { Job, JobState } from './job.js';

const WIRE_STATE: Readonly<Record<JobState, WireState>> = {
  queued: WireState.QUEUED,
  active: WireState.ACTIVE,
  paused: WireState.PAUSED,
  done: WireState.DONE,
  failed: WireState.FAILED,
  cancelled: WireState.CANCELLED,
};

export function wireJobOf(job: Job): WireJob {
  const { file, state, priority, status, bytesDone, bytesTotal = 0, detail = '' } = job;
  return {
    ...{ file, state: WIRE_STATE[state], priority, bytesDone, bytesTotal, detail },
    error: status.state === 'failed' ? { code: status.code, message: status.message } : undefined,
    result: status.state === 'done' ? status.result : undefined,
  };
}
