import assert from 'node:assert/strict';
import { StreamStatus } from '../../../../protos/gen/millrace/v1/batch.js';
import { sumStatus, type ProcessStatus } from '../../../../services/batch-server/server-status.js';

describe('the status of several processes', () => {
  const processOf = (processId: number, positions: readonly (readonly [run: string, numStepsDone: number])[]) => ({
    ...{ uptimeSeconds: processId, isDraining: false, batchesSent: 10, bytesSent: 100, imagesPerSecond: 7 },
    ...{ bytesPerSecond: 70, memoryUsedBytes: 1, memoryLimitBytes: 2, warmBytesDone: processId, warmBytesTotal: 5 },
    streams: positions.map(([run, numStepsDone]) => ({ ...StreamStatus.create({ processId }), run, numStepsDone })),
  });

  it('is their sum, and a stream may be behind one of another process', () => {
    const processes: ProcessStatus[] = [
      processOf(3, [
        ['a', 50],
        ['b', 1],
      ]),
      processOf(4, [['a', 80]]),
    ];
    const { streams, ...status } = sumStatus(processes);
    assert.deepEqual(
      streams.map(({ processId, lagSteps }) => [processId, lagSteps]),
      [
        [3, 30],
        [3, 0],
        [4, 0],
      ],
    );
    assert.ok(streams.every((stream) => !('run' in stream)));
    const { numProcesses, batchesSent, imagesPerSecond, memoryLimitBytes, uptimeSeconds, warmBytesDone } = status;
    assert.deepEqual(
      { numProcesses, batchesSent, imagesPerSecond, memoryLimitBytes, uptimeSeconds, warmBytesDone },
      {
        numProcesses: 2,
        batchesSent: 20,
        imagesPerSecond: 14,
        memoryLimitBytes: 4,
        uptimeSeconds: 4,
        warmBytesDone: 4,
      },
    );
  });
});
