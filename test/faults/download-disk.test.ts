import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../lib/core/errors.js';
import { archivePath, archivesFolder } from '../../lib/platform/root-layout.js';
import { writeJournal } from '../../services/downloader/journal.js';
import { openHashes } from '../../services/downloader/fastest-hash.js';
import { HASH_BLOCK_BYTES, VALUE_BYTES } from '../../services/downloader/resumable-hash.js';
import { archiveOf, downloadOne, SEGMENTED } from '../fixtures/download-run.js';
import { md5Of, noise, send, startOddServer, type OddServer } from '../fixtures/odd-server.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { withTmpfs } from '../fixtures/tmpfs.js';

const BODY = noise(1_000_000);
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };
const CUT = { cutAfter: 600_000 };

describe('downloading to disks that misbehave', () => {
  const folder = temporaryFolder();
  let server: OddServer;
  before(async () => {
    server = await startOddServer((exchange) => {
      if (exchange.request.url !== '/huge') return send(exchange, BODY, { headers: { 'content-length': undefined } });
      exchange.response.writeHead(200, { 'content-length': Number.MAX_SAFE_INTEGER, etag: '"v1"' }).write(BODY);
      return undefined;
    });
  });
  after(() => server.close());

  it('asks for room before the first byte', async () => {
    const run = downloadOne(folder.path, archiveOf('huge.bin', [`${server.url}/huge`]));
    await assert.rejects(run, (error: Error & { code: string; context: Record<string, unknown> }) => {
      assert.equal(error.code, 'ERR_DISK');
      assert.equal(error.context['neededBytes'], Number.MAX_SAFE_INTEGER);
      return true;
    });
    assert.equal(readFileSync(join(archivesFolder(folder.path), 'huge.bin.part')).length, 0);
  });

  it('keeps a good state when the disk fills up, and goes on when there is room', async function () {
    const root = join(folder.path, 'small-disk');
    const isRun = await withTmpfs(root, 'size=512k', async (remount) => {
      const archive = archiveOf('images.bin', [`${server.url}/a`], { md5: EXPECTED.md5 });
      await assert.rejects(downloadOne(root, archive), { code: 'ERR_DISK' });
      assert.equal(existsSync(archivePath(root, 'images.bin')), false);
      remount('size=8m');
      await downloadOne(root, archive);
      assert.deepEqual(readFileSync(archivePath(root, 'images.bin')), BODY);
    });
    if (!isRun) this.skip();
  });

  it('ends in order whichever file there is no room for, and goes on when there is', async function () {
    const archive = archiveOf('images.bin', [`${server.url}/a`], EXPECTED);
    let numFailures = 0;
    // Room for so many files and folders: the lock, the part, the journals, the proof.
    for (let numInodes = 2; numInodes <= 10; numInodes++) {
      const root = join(folder.path, `inodes-${numInodes}`);
      const isRun = await withTmpfs(root, `size=8m,nr_inodes=${numInodes}`, async (remount) => {
        await downloadOne(root, archive).catch((error: unknown) => {
          numFailures++;
          assert.equal(codeOf(error), 'ERR_DISK', String(error));
        });
        remount('nr_inodes=100');
        await downloadOne(root, archive);
        assert.deepEqual(readFileSync(archivePath(root, 'images.bin')), BODY);
      });
      if (!isRun) this.skip();
    }
    assert.ok(numFailures >= 4 && numFailures < 9, `${numFailures} failures`);
  });

  it('says so when the folder cannot be written to', async function () {
    const root = join(folder.path, 'read-only');
    const isRun = await withTmpfs(root, 'size=8m', async (remount) => {
      const archive = archiveOf('images.bin', [`${server.url}/a`], EXPECTED);
      remount('ro');
      await assert.rejects(downloadOne(root, archive), { code: 'ERR_DISK', message: /read-only/ });
      remount('rw');
      await downloadOne(root, archive);
      assert.deepEqual(readFileSync(archivePath(root, 'images.bin')), BODY);
    });
    if (!isRun) this.skip();
  });

  it('says so when the room cannot be set aside', async function () {
    const root = join(folder.path, 'preallocated');
    const isRun = await withTmpfs(root, 'size=8m', async () => {
      const path = archivePath(root, 'images.bin');
      const transfer = { preallocate: true };
      await downloadOne(root, archiveOf('images.bin', [`${server.url}/a`], EXPECTED), { transfer });
      assert.equal(statSync(path).size, BODY.length);
      const huge = archiveOf('huge.bin', [`${server.url}/huge`]);
      await assert.rejects(downloadOne(root, huge, { transfer }), { code: 'ERR_DISK' });
    });
    if (!isRun) this.skip();
  });

  it('counts beyond four gigabytes', async () => {
    const tail = noise(3_000_000);
    const begin = 2 ** 32 + 12_345;
    const totalBytes = begin + tail.length;
    // No digest is known, so that some of what is there is asked for again.
    const overlapBegin = begin - 32_768;
    const served = Buffer.concat([Buffer.alloc(begin - overlapBegin), tail]);
    const asked: string[] = [];
    const large = await startOddServer((exchange) => {
      const { request, response } = exchange;
      asked.push(request.headers.range ?? '');
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')!;
      const end = last === '' ? totalBytes : Number(last) + 1;
      response.writeHead(206, { 'content-range': `bytes ${first}-${end - 1}/${totalBytes}`, etag: '"v1"' });
      response.end(served.subarray(Number(first) - overlapBegin, end - overlapBegin));
    });
    try {
      const root = join(folder.path, 'large');
      const path = archivePath(root, 'large.bin');
      mkdirSync(archivesFolder(root), { recursive: true });
      // As if the first four gigabytes had come: a hole, and whatever value the hash has.
      const hashedBytes = begin - (begin % HASH_BLOCK_BYTES);
      const value = Buffer.alloc(VALUE_BYTES.md5, 7);
      writeFileSync(`${path}.part`, '');
      truncateSync(`${path}.part`, begin);
      await writeJournal(`${path}.part`, {
        formatVersion: 2,
        owner: 'nobody',
        source: `${large.url}/a`,
        validator: { kind: 'etag', value: '"v1"' },
        totalBytes,
        ranges: [[0, begin]],
        contributors: [`${large.url}/a`],
        hashedBytes,
        hashStates: { md5: value.toString('base64') },
      });
      const { resumedAt, md5 } = await downloadOne(root, archiveOf('large.bin', [`${large.url}/a`]), {
        transfer: SEGMENTED,
      });
      assert.deepEqual(resumedAt, [begin]);
      const hash = (await openHashes())('md5', { bytes: hashedBytes, value });
      hash.update(Buffer.alloc(begin - hashedBytes));
      hash.update(tail);
      assert.equal(md5, hash.digest(), 'only the tail was hashed');
      assert.equal(statSync(path).size, totalBytes);
      const found = Buffer.alloc(tail.length);
      const file = openSync(path, 'r');
      readSync(file, found, 0, found.length, begin);
      closeSync(file);
      assert.deepEqual(found, tail);
      assert.ok(
        asked.length > 3 && asked[0] === `bytes=${overlapBegin}-${begin + SEGMENTED.windowBytes / 8 - 1}`,
        asked[0],
      );
    } finally {
      await large.close();
    }
  });

  it('starts over when the part is shorter than its journal says', async () => {
    const cut = await startOddServer((exchange) =>
      exchange.index === 0 || exchange.index > 3
        ? send(exchange, BODY, exchange.index === 0 ? CUT : {})
        : void exchange.response.destroy(),
    );
    try {
      const archive = archiveOf('short.bin', [`${cut.url}/a`], EXPECTED);
      await assert.rejects(downloadOne(folder.path, archive), { code: 'ERR_TRANSFER' });
      const part = `${archivePath(folder.path, 'short.bin')}.part`;
      writeFileSync(part, readFileSync(part).subarray(0, 1000));
      const { names, resumedAt } = await downloadOne(folder.path, archive);
      assert.deepEqual(names, ['restarted', 'verified']);
      assert.deepEqual(resumedAt, []);
    } finally {
      await cut.close();
    }
  });
});
