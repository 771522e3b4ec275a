import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeRawDatum } from '../../../../lib/shards/datum.js';
import { openShard } from '../../../../lib/shards/shard-reader.js';
import { createShardWriter } from '../../../../lib/shards/shard-writer.js';
import { fixturePixels } from '../../../fixtures/split.js';
import { runPython } from '../../../fixtures/run-command.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const shape = { channels: 3, height: 40, width: 50 };
const NUM_RECORDS = 500;
const keyOf = (id: number): string => `${String(id).padStart(8, '0')}_image.JPEG`;

async function writeShard(folder: string, numRecords = NUM_RECORDS) {
  const writer = await createShardWriter(folder, numRecords, 6100);
  for (let id = 0; id < numRecords; id++) {
    writer.add(Buffer.from(keyOf(id)), encodeRawDatum(shape, fixturePixels(shape, id), id % 200));
  }
  const facts = await writer.finish();
  await writer.commit();
  return facts;
}

describe('shard', () => {
  const folder = temporaryFolder();
  let path: string;
  let facts: Awaited<ReturnType<typeof writeShard>>;
  before(async () => {
    path = join(folder.path, 'shard');
    facts = await writeShard(path);
  });

  it('is a folder with a data file alone, and tells its facts', () => {
    assert.deepEqual(readdirSync(folder.path), ['shard']);
    const file = readFileSync(join(path, 'data.mdb'));
    assert.deepEqual([facts.numSamples, facts.bytes], [NUM_RECORDS, file.length]);
  });

  it('is the same file each time it is made', async () => {
    assert.deepEqual(await writeShard(join(folder.path, 'again')), facts);
  });

  it('is open no longer once it is written', async function () {
    if (process.platform !== 'linux') this.skip();
    const other = join(folder.path, 'closed');
    await writeShard(other, 3);
    const links = readdirSync('/proc/self/fd').map((descriptor) => {
      try {
        return readlinkSync(`/proc/self/fd/${descriptor}`);
      } catch {
        // The one that the folder itself was read by.
        return '';
      }
    });
    assert.ok(links.length > 1);
    assert.deepEqual(
      [...links, ...readFileSync('/proc/self/maps', 'utf8').split('\n')].filter((line) => line.includes(other)),
      [],
    );
  });

  it('reads back in any order, to the last bit', async () => {
    const shard = openShard(path);
    const order = Array.from({ length: NUM_RECORDS }, (_, i) => (i * 77 + 5) % NUM_RECORDS);
    const seen: number[] = [];
    shard.read(order, ({ data, label }, index) => {
      assert.deepEqual(Uint8Array.from(data), fixturePixels(shape, index));
      assert.equal(label, index % 200);
      seen.push(index);
    });
    assert.deepEqual(seen, order);
    assert.equal(shard.keyAt(7), keyOf(7));
    assert.throws(() => shard.keyAt(NUM_RECORDS), { code: 'ERR_OUT_OF_RANGE' });
    await shard.close();
  });

  it('opens in Debian’s mdb_stat', () => {
    let output: string;
    try {
      output = execFileSync('mdb_stat', ['-e', path], { encoding: 'utf8' });
    } catch (error) {
      throw new Error('mdb_stat cannot open the shard, or is not there (Debian package lmdb-utils)', { cause: error });
    }
    assert.match(output, new RegExp(`Entries: ${NUM_RECORDS}\n`));
  });

  it('opens in Python’s lmdb, where a record parses as Caffe’s Datum', async () => {
    const script = `
import hashlib, json, lmdb, sys
def varint(b, i):
    value = shift = 0
    while True:
        value |= (b[i] & 127) << shift; shift += 7; i += 1
        if b[i - 1] < 128: return value, i
def datum(b):
    i, fields = 0, {}
    while i < len(b):
        tag, i = varint(b, i)
        value, i = varint(b, i)
        if tag & 7 == 2: value, i = b[i:i + value], i + value
        fields[tag >> 3] = value
    return fields
with lmdb.open(sys.argv[1], readonly=True, lock=False).begin() as t:
    records = [(k.decode(), datum(v)) for k, v in t.cursor()]
print(json.dumps([[k, f[1], f[2], f[3], hashlib.sha256(f[4]).hexdigest(), f[5], f[7]] for k, f in records]))
`;
    const expected = Array.from({ length: NUM_RECORDS }, (_, id) => {
      const digest = createHash('sha256').update(fixturePixels(shape, id)).digest('hex');
      return [keyOf(id), 3, 40, 50, digest, id % 200, 0];
    });
    assert.deepEqual(JSON.parse(await runPython(script, [path])), expected);
  });

  it('may hold no record', async () => {
    const empty = join(folder.path, 'empty');
    assert.equal((await writeShard(empty, 0)).numSamples, 0);
    const shard = openShard(empty);
    assert.equal(shard.numSamples, 0);
    await shard.close();
  });

  it('leaves nothing behind when it is abandoned', async () => {
    const writer = await createShardWriter(join(folder.path, 'dropped'), 10, 100);
    writer.add(Buffer.from('a'), Buffer.from('x'));
    await writer.abandon();
    assert.ok(readdirSync(folder.path).every((name) => !name.includes('dropped')));
  });

  it('refuses keys that do not ascend', async () => {
    const writer = await createShardWriter(join(folder.path, 'unordered'), 10, 100);
    writer.add(Buffer.from('b'), Buffer.from('x'));
    assert.throws(() => writer.add(Buffer.from('a'), Buffer.from('x')), { code: 'ERR_INTERNAL' });
    await writer.abandon();
  });

  it('refuses to open what is no environment', () => {
    const wrong = join(folder.path, 'wrong');
    mkdirSync(wrong);
    assert.throws(() => openShard(wrong), { code: 'ERR_SHARD_CORRUPT', message: /cannot be opened/ });
    writeFileSync(join(wrong, 'data.mdb'), Buffer.alloc(8192, 1));
    assert.throws(() => openShard(wrong), { code: 'ERR_SHARD_CORRUPT' });
  });
});
