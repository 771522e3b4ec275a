import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { journalPath } from '../../../../services/downloader/journal.js';
import { PartFile } from '../../../../services/downloader/part-file.js';
import { md5Of, noise } from '../../../fixtures/odd-server.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const BODY = noise(3_500_000);
const SOURCE = { url: 'http://a.example/a', validator: undefined, totalBytes: BODY.length };
const SELDOM = { checkpointBytes: Infinity, checkpointMs: Infinity };

describe('a part file', () => {
  const folder = temporaryFolder();
  let path: string;
  let count = 0;
  let discarded: string[];
  beforeEach(() => {
    path = join(folder.path, `${count++}.part`);
    discarded = [];
  });

  const open = (options = SELDOM): Promise<PartFile> =>
    PartFile.open(path, options, (reason) => void discarded.push(reason));

  /** Takes `body` in by pieces of odd size and leaves the part as a killed process would, or flushed. */
  async function fill(body: Buffer, isFlushed: boolean, options = SELDOM): Promise<void> {
    const part = await open(options);
    if (part.source === undefined) await part.restart(SOURCE);
    for (let at = 0; at < body.length; at += 77_777) await part.append(body.subarray(at, at + 77_777));
    if (isFlushed) await part.checkpoint();
    await part.close();
  }

  async function finish(): Promise<{ offset: number; md5: string }> {
    const part = await open();
    const { offset } = part;
    if (part.source === undefined) await part.restart(SOURCE);
    await part.append(BODY.subarray(offset));
    await part.checkpoint();
    await part.close();
    assert.deepEqual(readFileSync(path), BODY);
    assert.equal(part.isWhole, true);
    return { offset, md5: part.digest() };
  }

  it('goes on at its last checkpoint with the state of the hash', async () => {
    await fill(BODY.subarray(0, 2_000_000), true);
    assert.deepEqual(await finish(), { offset: 2_000_000, md5: md5Of(BODY) });
    assert.deepEqual(discarded, []);
  });

  it('cuts off what was written after the last checkpoint', async () => {
    await fill(BODY.subarray(0, 2_000_000), true);
    appendFileSync(path, 'bytes that no journal speaks of');
    assert.deepEqual(await finish(), { offset: 2_000_000, md5: md5Of(BODY) });
  });

  it('begins anew when the data is shorter than the journal says', async () => {
    await fill(BODY.subarray(0, 2_000_000), true);
    truncateSync(path, 1_999_999);
    assert.deepEqual(await finish(), { offset: 0, md5: md5Of(BODY) });
    assert.equal(discarded.length, 1);
  });

  it('begins anew when there is no journal that it understands', async () => {
    await fill(BODY.subarray(0, 2_000_000), true);
    for (const text of ['', '{', '{"formatVersion":2}']) {
      writeFileSync(journalPath(path), text);
      assert.deepEqual(await finish(), { offset: 0, md5: md5Of(BODY) });
    }
  });

  it('hashes its bytes again when the state of the hash is of another build', async () => {
    await fill(BODY.subarray(0, 2_000_000), true);
    const journal = JSON.parse(readFileSync(journalPath(path), 'utf8')) as object;
    writeFileSync(journalPath(path), JSON.stringify({ ...journal, md5State: 'AAAA' }));
    assert.deepEqual(await finish(), { offset: 2_000_000, md5: md5Of(BODY) });
  });

  it('makes checkpoints by itself as bytes come', async () => {
    await fill(BODY.subarray(0, 2_500_000), false, { ...SELDOM, checkpointBytes: 1_000_000 });
    const { offset, md5 } = await finish();
    assert.ok(offset >= 2_000_000 && offset < 2_500_000, `offset ${offset}`);
    assert.equal(md5, md5Of(BODY));
  });

  it('never keeps a journal of other bytes when it begins anew', async () => {
    await fill(BODY.subarray(0, 2_000_000), true);
    const part = await open();
    await part.restart({ ...SOURCE, url: 'http://b.example/b' });
    await part.append(noise(2_600_000).reverse());
    await part.close();
    const reopened = await open();
    assert.equal(reopened.offset, 0);
    assert.equal(reopened.source?.url, 'http://b.example/b');
    await reopened.close();
  });
});
