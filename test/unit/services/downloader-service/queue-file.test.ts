import assert from 'node:assert/strict';
import fc from 'fast-check';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  makeQueueFolder,
  queuePath,
  readQueueFile,
  writeQueueFile,
  type QueueRecord,
} from '../../../../services/downloader/service/queue-file.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const bytes = fc.nat();
/** Parsed JSON has ordinary objects. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(model, { noNullPrototype: true });
const status = fc.oneof(
  fc.constantFrom('queued' as const, 'paused' as const, 'cancelled' as const).map((state) => ({ state })),
  record({ state: fc.constant('failed' as const), code: fc.string(), message: fc.string() }),
  record({
    state: fc.constant('done' as const),
    result: record({
      bytes,
      bytesFetched: bytes,
      resumedAt: fc.array(bytes),
      md5: fc.string(),
      isVerified: fc.boolean(),
      seconds: fc.nat(),
    }),
  }),
);
const job = fc.record(
  {
    archive: record({
      file: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,9}$/),
      urls: fc.array(fc.webUrl(), { maxLength: 2 }),
      optional: fc.boolean(),
    }),
    priority: fc.integer(),
    status,
    bytesDone: bytes,
    bytesTotal: bytes,
  },
  { requiredKeys: ['archive', 'priority', 'status', 'bytesDone'], noNullPrototype: true },
);
const queue: fc.Arbitrary<QueueRecord> = fc.record(
  { bytesPerSecond: fc.integer({ min: 1 }), jobs: fc.array(job, { maxLength: 4 }) },
  { requiredKeys: ['jobs'], noNullPrototype: true },
);

describe('the file of a download queue', () => {
  const folder = temporaryFolder();

  it('is an empty queue when it is not there', async () => {
    assert.deepEqual(await readQueueFile(queuePath(join(folder.path, 'nowhere'))), { jobs: [] });
  });

  it('lies where other users of the machine cannot read it', async () => {
    const path = queuePath(join(folder.path, 'private'));
    await makeQueueFolder(path);
    assert.equal(statSync(dirname(path)).mode & 0o077, 0);
  });

  it('gives back any queue that was written', async () => {
    const path = queuePath(folder.path);
    await makeQueueFolder(path);
    await fc.assert(
      fc.asyncProperty(queue, async (written) => {
        await writeQueueFile(path, written);
        assert.deepEqual(await readQueueFile(path), { bytesPerSecond: undefined, ...written });
      }),
      { numRuns: 30 },
    );
  });
});
