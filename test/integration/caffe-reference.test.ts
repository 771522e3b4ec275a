/** Records and mean against digests that the real Caffe made of the same images. Needs the test data. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { readEnvironment } from '../../lib/platform/environment.js';
import { archivePath, archivesFolder, MEAN_FILE, splitFolder } from '../../lib/platform/root-layout.js';
import { openShard } from '../../lib/shards/shard-reader.js';
import { connect } from '../../services/trainer/client/client.js';
import { collectBatches, startBatchServer } from '../fixtures/batch-server.js';
import { millrace } from '../fixtures/cli.js';
import { unpackPhotographs } from '../fixtures/photographs.js';
import { runCommand, runPython } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface Reference {
  readonly val_raw_256: { readonly records: readonly [string, string][] };
  readonly val_jpg_256: { readonly records: readonly [string, string][] };
  readonly val_original: { readonly records: readonly [string, string][] };
  readonly train_raw_256: { readonly sha256_of_keys_and_values_in_order: string };
  readonly train_mean_binaryproto: { readonly bytes: number; readonly sha256: string };
  readonly val_test_phase: { readonly sha256_of_float32: readonly [string, string][] };
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
    unpackPhotographs(testData, folder.path);
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

  it('val in TEST phase: batches of a server are the same float32 as those of its Data layer', async () => {
    const root = at('root');
    await mkdir(archivesFolder(root), { recursive: true });
    const archive = 'ILSVRC2012_img_val.sample.tar';
    await symlink(join(testData, archive), archivePath(root, archive));
    for (const list of ['val.txt', 'synset_words.txt']) {
      await symlink(join(testData, 'ilsvrc12-aux', list), archivePath(root, list));
    }
    const flags = ['--split', 'val', '--no-shuffle', '--root', root];
    const prepared = await millrace(['prepare', 'ilsvrc2012-sample', ...flags]);
    assert.equal(prepared.code, 0, prepared.stderr);
    // Caffe's TEST phase is given the mean of train, as compute_image_mean makes it: the test before this one.
    await copyFile(at('mean.binaryproto'), join(splitFolder(root, 'ilsvrc2012-sample', 'val'), MEAN_FILE));

    const server = await startBatchServer(root);
    const client = connect({ servers: [server.address] });
    const digests = new Map<string, string[]>();
    for (const dtype of ['float32', 'uint8'] as const) {
      const batches = await collectBatches(client, {
        dataset: 'ilsvrc2012-sample',
        split: 'val',
        batchSize: 50,
        epochs: 1,
        shuffle: 'none',
        transform: { preset: 'caffe-alexnet', cropMode: 'center', mirror: false, layout: 'NCHW', dtype },
      });
      const size = 3 * 227 * 227;
      digests.set(
        dtype,
        batches.flatMap(({ images, ids }) =>
          Array.from(ids, (_, i) => {
            const image = images.subarray(i * size, (i + 1) * size);
            return createHash('sha256')
              .update(new Uint8Array(image.buffer, image.byteOffset, image.byteLength))
              .digest('hex');
          }),
        ),
      );
    }
    client.close();
    await server.destroy();
    const expected = reference.val_test_phase.sha256_of_float32.map(([, digest]) => digest);
    assert.equal(expected.length, 100);
    assert.deepEqual(digests.get('float32'), expected);
    assert.deepEqual(digests.get('uint8'), expected);
  });
});
