import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastJsonLine, MAIN, millrace, startMillrace } from '../fixtures/cli.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const COMMANDS = [
  'run',
  'catalog',
  'download',
  'prepare',
  'worker',
  'verify',
  'inspect',
  'serve',
  'train',
  'classify',
  'convert-imageset',
  'compute-image-mean',
];

describe('the program millrace', () => {
  const folder = temporaryFolder();

  it('names its commands', async () => {
    const { code, stdout } = await millrace(['--help']);
    assert.equal(code, 0);
    for (const command of COMMANDS) assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
  });

  for (const command of COMMANDS) {
    it(`shows examples under ${command} --help`, async () => {
      const { code, stdout } = await millrace([command, '--help']);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`Examples:\n {2}\\$ millrace ${command}`));
    });
  }

  it('ends without a word when nobody reads what it says', async () => {
    const child = spawn(process.execPath, [MAIN, 'catalog', 'ilsvrc2012']);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.deepEqual({ code, stderr }, { code: 141, stderr: '' });
  });

  it('ends with 1 and a line of its own when what it says cannot be written down', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [MAIN, 'catalog', 'ilsvrc2012'], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 1);
    assert.match(stderr, /^millrace: cannot print: no space left on device\n$/);
  });

  for (const [what, args, code, said] of [
    ['an unknown command', ['fetch'], 2, /unknown command 'fetch'/],
    ['an unknown flag', ['catalog', '--colour'], 2, /unknown option '--colour'/],
    ['a missing argument', ['download'], 2, /missing required argument/],
    [
      'a dataset that nobody knows',
      ['prepare', 'imagnet'],
      2,
      /unknown dataset "imagnet"; expected one of ilsvrc2012,/,
    ],
    [
      'a number out of range',
      ['serve', '--port', '70000'],
      2,
      /--port: expected a whole number of \[0, 65535\], got "70000"/,
    ],
    [
      'a server open to everybody by accident',
      ['serve', '--host', '0.0.0.0'],
      2,
      /give --tls-cert and --tls-key, or say --insecure/,
    ],
    ['half a pair of TLS files', ['serve', '--tls-cert', 'x'], 2, /--tls-cert and --tls-key go together/],
    ['clients to be known without TLS', ['serve', '--tls-client-ca', 'x'], 2, /and --tls-client-ca with them/],
    [
      'TLS files that hold no certificate',
      ['serve', '--tls-cert', MAIN, '--tls-key', MAIN],
      2,
      /--tls-cert: .*main.js .* no certificate and its key/,
    ],
    [
      'a token to a folder that is not there',
      ['token', 'new', 'a', '--tokens', '/nowhere/a'],
      1,
      /write \/nowhere\/a: the folder/,
    ],
    ['a token file that is not there', ['serve', '--tokens', '/nowhere/tokens'], 2, /--tokens: cannot read/],
    [
      'an archive that is to be placed by hand',
      ['download', 'ilsvrc2012-sample'],
      1,
      /ILSVRC2012_img_train.sample.tar/,
    ],
    [
      'a URL whose file name cannot be decoded',
      ['download', 'http://127.0.0.1:9/%zz'],
      2,
      /^millrace: <source>: expected a URL whose path ends in a file name, got http:.*%zz\n$/,
    ],
    ['preparing what was not downloaded', ['prepare', 'imagenette'], 1, /millrace download imagenette/],
    [
      'a root that is a file',
      ['prepare', 'imagenette', '--root', MAIN],
      1,
      /^millrace: cannot write .*main\.js.*: a file is where a folder should be; .* \(not a directory\)\n$/,
    ],
    [
      'a folder in place of a list',
      ['convert-imageset', 'images/', '/', 'database'],
      1,
      /^millrace: <listfile>: cannot read \/: illegal operation on a directory\n$/,
    ],
    ['a file that is no dataset', ['catalog', 'wrong.yaml'], 1, /cannot read the dataset file wrong.yaml/],
  ] as const) {
    it(`answers ${what} with exit code ${code} and what to do`, async () => {
      const outcome = await millrace([...args], { MILLRACE_ROOT: folder.path });
      assert.equal(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, said);
      assert.equal(outcome.stdout, '');
    });
  }

  it('names each field of a dataset file that does not fit', async () => {
    const path = join(folder.path, 'wrong.yaml');
    writeFileSync(
      path,
      'name: ../x\nabout: wrong\narchives: [{ file: a.tar, md5: zz }]\nsplits: { train: { archive: b.tar, layout: flat, labels: { from: folder } } }\n',
    );
    const { code, stderr } = await millrace(['catalog', path]);
    assert.equal(code, 2);
    for (const part of [/name: expected letters/, /archives.0.md5: expected 32/]) assert.match(stderr, part);
  });

  it('gives errors to programs as a JSON line', async () => {
    const outcome = await millrace(['prepare', 'imagenette', '--json', '--root', folder.path]);
    const { event, code, message } = lastJsonLine(outcome);
    assert.equal(outcome.code, 1);
    assert.deepEqual([event, code], ['error', 'ERR_NOT_FOUND']);
    assert.match(String(message), /imagenette2.tgz/);
  });

  it('exits with 3 when a prepared dataset is not what its manifest says', async () => {
    const root = join(folder.path, 'verify');
    mkdirSync(root);
    const shape = { height: 8, width: 8, channels: 3 };
    const manifest = await makeSplit(root, {
      dataset: 'sample',
      split: 'train',
      numSamples: 9,
      shape,
      shardSamples: 5,
    });
    assert.equal((await millrace(['verify', 'sample', '--split', 'train', '--root', root])).code, 0);
    writeFileSync(join(root, 'datasets/sample/train', manifest.shards[1].path, 'data.mdb'), 'not a shard');
    const outcome = await millrace(['verify', 'sample', '--split', 'train', '--root', root]);
    assert.equal(outcome.code, 3, outcome.stderr);
    assert.match(outcome.stderr, /shard-00001/);
  });

  it('serves until it is told to stop, and ends well', async () => {
    let address = '';
    const server = startMillrace(['serve', '--port', '0', '--root', folder.path], (line) => {
      if (line['event'] === 'listening') {
        address = String(line['address']);
        server.kill('SIGTERM');
      }
    });
    const [code] = (await once(server, 'exit')) as [number];
    assert.match(address, /^127\.0\.0\.1:\d+$/);
    assert.equal(code, 0);
  });
});
