import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { archivePath } from '../../lib/platform/root-layout.js';
import { md5Of, noise, send, startOddServer, type OddServer } from '../fixtures/odd-server.js';
import { runCommand } from '../fixtures/run-command.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const BODY = noise(300_000);
const MD5 = md5Of(BODY);
const SECRET = 'hunter2';

describe('millrace download, from the command line', () => {
  const folder = temporaryFolder();
  let server: OddServer;
  before(async () => {
    server = await startOddServer((exchange) => {
      const { headers } = exchange.request;
      const isKnown = [headers['x-token'], headers.cookie, headers.authorization].some((value) =>
        value?.includes(SECRET),
      );
      if (isKnown) return send(exchange, BODY);
      exchange.response.writeHead(403).end();
      return undefined;
    });
  });
  after(() => server.close());

  let numRuns = 0;
  const download = async (...flags: string[]) => {
    const root = join(folder.path, `root-${numRuns++}`);
    const outcome = await runCommand('download', [
      `${server.url}/images.bin`,
      '--root',
      root,
      '--md5',
      MD5,
      '--json',
      ...flags,
    ]);
    const events = outcome.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    // With --json nothing goes to stderr.
    assert.ok(!outcome.stdout.includes(SECRET), 'secrets are not shown');
    return { ...outcome, root, events, last: events.at(-1) };
  };

  for (const [title, flags] of Object.entries({
    'a header': ['--header', `X-Token: ${SECRET}`],
    'a cookie': ['--cookie', `session=${SECRET}`],
  })) {
    it(`takes ${title}, and every other setting of a transfer`, async () => {
      const settings = ['--rate', '50M', '--connections', '2', '--preallocate', '--concurrency', '1'];
      const { code, root, last, events } = await download(...flags, ...settings);
      assert.equal(code, 0, JSON.stringify(last));
      assert.deepEqual(readFileSync(archivePath(root, 'images.bin')), BODY);
      const progress = events.find(({ event }) => event === 'progress');
      assert.equal((progress?.['parts'] as { name: string }[])[0].name, 'images.bin');
    });
  }

  it('takes a SHA-256 beside the MD5, and refuses what does not have it', async () => {
    const sha256 = createHash('sha256').update(BODY).digest('hex');
    assert.equal((await download('--cookie', SECRET, '--sha256', sha256.toUpperCase())).code, 0);
    const { code, last } = await download('--cookie', SECRET, '--sha256', '0'.repeat(64));
    assert.equal(code, 3);
    assert.match(String(last?.['message']), /expected SHA-256 0{64}/);
  });

  it('takes a token from a file', async () => {
    const path = join(folder.path, 'token');
    writeFileSync(path, SECRET);
    assert.equal((await download('--bearer-file', path)).code, 0);
  });

  it('takes logins from netrc', async () => {
    const path = join(folder.path, 'netrc');
    writeFileSync(path, `machine 127.0.0.1 login me password ${SECRET}`);
    // Their encoding is what travels: this server does not know it.
    const { last } = await download('--netrc', path);
    assert.equal(last?.['code'], 'ERR_TRANSFER_REFUSED');
    const basic = `Basic ${Buffer.from(`me:${SECRET}`).toString('base64')}`;
    assert.equal(server.requests.at(-1)?.headers.authorization, basic);
  });

  for (const flags of [
    ['--rate', '0'],
    ['--rate', 'fast'],
    ['--connections', '17'],
    ['--sha256', MD5],
    ['--header', SECRET],
    ['--header', `Range: ${SECRET}`],
  ]) {
    it(`refuses ${flags[0]} with a value that makes no sense, naming it`, async () => {
      const { code, last } = await download(...flags);
      assert.equal(code, 2);
      assert.equal(last?.['field'], flags[0]);
    });
  }
});
