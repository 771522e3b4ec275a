/** Records and mean against digests that the real Caffe made of the same images. Needs the test data. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEnvironment } from '../../lib/platform/environment.js';
import { openShard } from '../../lib/shards/shard-reader.js';
import { runCommand, runPython } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface Reference {
  readonly val_raw_256: { readonly records: readonly [string, string][] };
  readonly val_jpg_256: { readonly records: readonly [string, string][] };
  readonly val_original: { readonly records: readonly [string, string][] };
  readonly train_raw_256: { readonly sha256_of_keys_and_values_in_order: string };
  readonly train_mean_binaryproto: { readonly bytes: number; readonly sha256: string };
}

/** Keys and digests of the values of a LevelDB, by the library that plyvel has in it. */
const READ_LEVELDB = `
import hashlib, json, plyvel, sys
database = plyvel.DB(sys.argv[1])
print(json.dumps([[key.decode(), hashlib.sha256(value).hexdigest()] for key, value in database]))
`;

describe('what the real Caffe makes of the same images', function () {
  const { testData } = readEnvironment();
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  let reference: Reference;

  before(function () {
    const path = join(testData, 'caffe-reference.json');
    if (!existsSync(path)) {
      process.stdout.write(`    (no ${path}: set MILLRACE_TEST_DATA to compare with Caffe itself)\n`);
      this.skip();
    }
    reference = JSON.parse(readFileSync(path, 'utf8')) as Reference;
    mkdirSync(at('val'));
    mkdirSync(at('train'));
    execFileSync('tar', ['-xf', join(testData, 'ILSVRC2012_img_val.sample.tar'), '-C', at('val')]);
    execFileSync('tar', ['-xf', join(testData, 'ILSVRC2012_img_train.sample.tar'), '-C', at('train')]);
    for (const inner of readdirSync(at('train'))) {
      const classFolder = at(`train/${inner.slice(0, -4)}`);
      mkdirSync(classFolder);
      execFileSync('tar', ['-xf', at(`train/${inner}`), '-C', classFolder]);
    }
  });

  async function convert(split: string, name: string, ...flags: string[]): Promise<string> {
    const list = join(testData, 'ilsvrc12-aux', `${split}.txt`);
    const outcome = await runCommand('convert-imageset', [...flags, `${at(split)}/`, list, at(name)]);
    assert.equal(outcome.code, 0, outcome.stderr);
    return at(name);
  }

  async function digests(database: string): Promise<[string, string][]> {
    const shard = openShard(database);
    const found: [string, string][] = [];
    shard.readBytes(Array(shard.numSamples).keys(), (value, index) => {
      found.push([shard.keyAt(index), createHash('sha256').update(value).digest('hex')]);
    });
    await shard.close();
    return found;
  }

  const RAW = ['--resize_height=256', '--resize_width=256'];

  it('val, raw 256: keys and records are the same bytes', async () => {
    assert.deepEqual(await digests(await convert('val', 'val_raw', ...RAW)), reference.val_raw_256.records);
  });

  it('val, resized and encoded as JPEG: keys and records are the same bytes', async () => {
    const database = await convert('val', 'val_jpg', ...RAW, '--encoded=true', '--encode_type=jpg');
    assert.deepEqual(await digests(database), reference.val_jpg_256.records);
  });

  it('val, raw 256, as LevelDB: another LevelDB reads the same keys and records', async () => {
    const database = await convert('val', 'val_leveldb', ...RAW, '--backend=leveldb');
    const read = JSON.parse(await runPython(READ_LEVELDB, [database])) as [string, string][];
    assert.deepEqual(read, reference.val_raw_256.records);
  });

  it('val, original files: keys and records are the same bytes', async () => {
    const database = await convert('val', 'val_original', '--encoded=true', '--encode_type=jpeg');
    assert.deepEqual(await digests(database), reference.val_original.records);
  });

  it('train, raw 256: keys and records, and the mean file, are the same bytes', async () => {
    const database = await convert('train', 'train_raw', ...RAW);
    await convert('train', 'train_leveldb', ...RAW, '--backend=leveldb');
    const shard = openShard(database);
    const hash = createHash('sha256');
    shard.readBytes(Array(shard.numSamples).keys(), (value, index) => hash.update(shard.keyAt(index)).update(value));
    await shard.close();
    assert.equal(hash.digest('hex'), reference.train_raw_256.sha256_of_keys_and_values_in_order);

    for (const [backend, folder] of [
      ['lmdb', database],
      ['leveldb', at('train_leveldb')],
    ]) {
      const outcome = await runCommand('compute-image-mean', ['-backend', backend, folder, at('mean.binaryproto')]);
      assert.equal(outcome.code, 0, outcome.stderr);
      const mean = readFileSync(at('mean.binaryproto'));
      assert.equal(mean.length, reference.train_mean_binaryproto.bytes);
      assert.equal(createHash('sha256').update(mean).digest('hex'), reference.train_mean_binaryproto.sha256);
    }
  });
});
