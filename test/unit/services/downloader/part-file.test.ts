import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalPath, liveJournalPath, readJournal } from '../../../../services/downloader/journal.js';
import { PartFile, type PartOptions } from '../../../../services/downloader/part-file.js';
import { md5Of, noise } from '../../../fixtures/odd-server.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const BODY = noise(3_500_000);
const URL = 'http://a.example/a';
const SOURCE = { source: URL, validator: undefined, totalBytes: BODY.length };
const SELDOM = { checkpointBytes: Infinity, checkpointMs: Infinity, windowBytes: 1_000_000 };
const PIECE_BYTES = 77_777;

describe('a part file', () => {
  const folder = temporaryFolder();
  let path: string;
  let count = 0;
  let discarded: string[];
  beforeEach(() => {
    path = join(folder.path, `${count++}.part`);
    discarded = [];
  });

  const open = (options: Partial<PartOptions> = {}): Promise<PartFile> =>
    PartFile.open(path, {
      ...SELDOM,
      digestNames: ['md5'],
      onDiscard: (reason) => void discarded.push(reason),
      ...options,
    });

  async function write(part: PartFile, begin: number, end: number): Promise<void> {
    if (part.source === undefined) await part.begin(SOURCE);
    for (let at = begin; at < end; at += PIECE_BYTES) {
      const middle = Math.min(at + 1000, end);
      await part.write(at, [BODY.subarray(at, middle), BODY.subarray(middle, Math.min(at + PIECE_BYTES, end))], URL);
    }
  }

  /** Leaves the part as a killed process would, or flushed. */
  async function fill(ranges: [number, number][], isFlushed: boolean, options?: Partial<PartOptions>): Promise<void> {
    const part = await open(options);
    for (const [begin, end] of ranges) await write(part, begin, end);
    if (isFlushed) await part.checkpoint();
    await part.close();
  }

  /** What was there when it was opened, and what came out in the end. */
  async function finish(options?: Partial<PartOptions>) {
    const part = await open(options);
    const ranges = part.ranges.toArray();
    if (part.source === undefined) await part.begin(SOURCE);
    for (const [begin, end] of part.ranges.gaps(BODY.length)) await write(part, begin, end);
    assert.equal(part.isWhole, true);
    const { md5, bytes, ...others } = await part.finish();
    await part.close();
    assert.deepEqual(readFileSync(path), BODY);
    assert.equal(bytes, BODY.length);
    return { ranges, md5, ...others };
  }

  const MD5 = md5Of(BODY);

  it('goes on at its last checkpoint with the state of the hash', async () => {
    await fill([[0, 2_000_000]], true);
    rmSync(liveJournalPath(path));
    assert.deepEqual(await finish(), { ranges: [[0, 2_000_000]], md5: MD5 });
    assert.deepEqual(discarded, []);
  });

  it('takes pieces in any order, and hashes them in theirs', async () => {
    const ranges: [number, number][] = [
      [1_000_000, 1_500_000],
      [3_000_000, 3_500_000],
      [0, 600_000],
    ];
    await fill(ranges, true);
    const { hashedBytes = NaN } = (await readJournal(path)) ?? {};
    assert.ok(hashedBytes <= 600_000, `hashed ${hashedBytes}`);
    assert.deepEqual(await finish(), {
      ranges: [
        [0, 600_000],
        [1_000_000, 1_500_000],
        [3_000_000, 3_500_000],
      ],
      md5: MD5,
    });
  });

  it('knows what was written when only the process ended, flushed or not', async () => {
    await fill([[0, 2_000_000]], false);
    assert.deepEqual(await finish(), { ranges: [[0, 2_000_000]], md5: MD5 });
  });

  it('trusts what was not flushed only as long as the system is up', async () => {
    await fill([[0, 2_000_000]], false);
    const live = JSON.parse(readFileSync(liveJournalPath(path), 'utf8').split('\n')[0]) as object;
    writeFileSync(liveJournalPath(path), JSON.stringify({ ...live, bootId: 'another boot' }));
    assert.deepEqual(await finish(), { ranges: [], md5: MD5 });
  });

  it('ignores the live journal of an earlier part', async () => {
    await fill([[0, 2_000_000]], true);
    copyFileSync(liveJournalPath(path), `${path}.old`);
    rmSync(journalPath(path));
    await fill([[0, 100_000]], true);
    copyFileSync(`${path}.old`, liveJournalPath(path));
    assert.deepEqual((await finish()).ranges, [[0, 100_000]]);
  });

  it('cuts off what does not belong to it', async () => {
    await fill([[0, 2_000_000]], true);
    appendFileSync(path, Buffer.alloc(3_000_000));
    assert.deepEqual(await finish(), { ranges: [[0, 2_000_000]], md5: MD5 });
  });

  it('begins anew when the data is shorter than the journal says', async () => {
    await fill([[0, 2_000_000]], true);
    truncateSync(path, 1_999_999);
    assert.deepEqual(await finish(), { ranges: [], md5: MD5 });
    assert.equal(discarded.length, 1);
  });

  it('begins anew when there is no journal that it understands', async () => {
    await fill([[0, 2_000_000]], true);
    for (const text of ['', '{', '{"formatVersion":1}']) {
      writeFileSync(journalPath(path), text);
      assert.deepEqual(await finish(), { ranges: [], md5: MD5 });
    }
  });

  it('hashes its bytes again when the state of the hash is of another build', async () => {
    await fill([[0, 2_000_000]], true);
    rmSync(liveJournalPath(path));
    const journal = JSON.parse(readFileSync(journalPath(path), 'utf8')) as object;
    writeFileSync(journalPath(path), JSON.stringify({ ...journal, hashStates: { md5: 'AAAA' } }));
    assert.deepEqual(await finish(), { ranges: [[0, 2_000_000]], md5: MD5 });
  });

  it('makes all the digests that are wanted, also when they are asked for later', async () => {
    await fill([[0, 2_000_000]], true);
    const digests = await finish({ digestNames: ['md5', 'sha1', 'sha256'] });
    assert.equal(digests.md5, MD5);
    assert.match(digests.sha1 ?? '', /^[0-9a-f]{40}$/);
    assert.match(digests.sha256 ?? '', /^[0-9a-f]{64}$/);
  });

  it('makes checkpoints by itself as bytes come, one after the other, and is never more than four behind', async () => {
    const [written, checkpointBytes] = [3_400_000, 300_000];
    await fill([[0, written]], false, { checkpointBytes });
    rmSync(liveJournalPath(path));
    const { ranges, md5 } = await finish();
    assert.equal(ranges.length, 1);
    const [[begin, end]] = ranges;
    assert.ok(begin === 0 && end >= written - 4 * checkpointBytes - PIECE_BYTES, `[${begin}, ${end})`);
    assert.equal(md5, MD5);
  });

  it('never keeps a journal of other bytes when it begins anew', async () => {
    await fill([[0, 2_000_000]], true);
    const part = await open();
    await part.begin({ ...SOURCE, source: 'http://b.example/b' });
    await part.close();
    const reopened = await open();
    assert.equal(reopened.ranges.numBytes, 0);
    assert.equal(reopened.source?.source, 'http://b.example/b');
    await reopened.close();
  });

  it('is lost to the process that opens it last, without a lock', async () => {
    const first = await open();
    await write(first, 0, 500_000);
    const second = await open();
    await assert.rejects(first.write(500_000, [BODY.subarray(500_000, 600_000)], URL), { code: 'ERR_LOCKED' });
    await assert.rejects(first.checkpoint(), { code: 'ERR_LOCKED' });
    await write(second, 500_000, BODY.length);
    assert.equal((await second.finish()).md5, MD5);
    await first.close();
    await second.close();
  });
});
