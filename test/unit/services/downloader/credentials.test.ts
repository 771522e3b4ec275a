import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCredentials, urlCredentials } from '../../../../services/downloader/credentials.js';
import { parseNetrc } from '../../../../services/downloader/netrc.js';
import { displayUrl, sourceKey } from '../../../../services/downloader/source-url.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const HERE = ['https://a.example/x.tar', 'file:///y'];

describe('credentials', () => {
  const folder = temporaryFolder();
  const file = (name: string, text: string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };

  it('go to the origin that they were given for, and to no other', async () => {
    const headersFor = await readCredentials({ urls: HERE, headers: ['X-Token: secret'], cookie: 'a=b; c=d' });
    assert.deepEqual(headersFor(new URL('https://a.example/other')), { 'x-token': 'secret', cookie: 'a=b; c=d' });
    for (const other of [
      'https://b.example/x',
      'https://a.example:8443/x',
      'http://a.example/x',
      'https://x.a.example/',
    ]) {
      assert.deepEqual(headersFor(new URL(other)), {}, other);
    }
  });

  it('read a bearer token from its file', async () => {
    const headersFor = await readCredentials({ urls: HERE, bearerFile: file('token', 'abc.def-1==\n') });
    assert.deepEqual(headersFor(new URL(HERE[0])), { authorization: 'Bearer abc.def-1==' });
  });

  it('take logins from netrc for the hosts that it names', async () => {
    const netrcFile = file(
      'netrc',
      'machine a.example login me password "p w"\nmachine b.example login you password q',
    );
    const headersFor = await readCredentials({ urls: [], netrcFile });
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    assert.deepEqual(headersFor(new URL('https://a.example/')), basic('me:p w'));
    assert.deepEqual(headersFor(new URL('https://b.example:444/')), basic('you:q'));
    assert.deepEqual(headersFor(new URL('https://c.example/')), {});
  });

  it('take the login that stands in a URL', () => {
    const headers = urlCredentials(new URL('https://me:p%40w@a.example/'));
    assert.deepEqual(headers, { authorization: `Basic ${Buffer.from('me:p@w').toString('base64')}` });
    assert.deepEqual(urlCredentials(new URL('https://a.example/')), {});
  });

  it('are refused, unseen, when they are none', async () => {
    const secret = 'hunter2';
    const wrong: [string, () => Promise<unknown>][] = [
      ['--header', () => readCredentials({ urls: HERE, headers: [secret] })],
      ['--header', () => readCredentials({ urls: HERE, headers: [`X-Y: ${secret}\r\nHost: evil`] })],
      ['--header', () => readCredentials({ urls: HERE, headers: [`Range: ${secret}`] })],
      ['--cookie', () => readCredentials({ urls: HERE, cookie: `${secret}\n` })],
      ['--bearer-file', () => readCredentials({ urls: HERE, bearerFile: file('bad', `not a ${secret}`) })],
      ['--header', () => readCredentials({ urls: [...HERE, 'https://b.example/'], headers: [`A: ${secret}`] })],
      ['--header', () => readCredentials({ urls: ['file:///y'], headers: [`A: ${secret}`] })],
    ];
    for (const [field, run] of wrong) {
      await assert.rejects(run(), (error: Error & { field: string }) => {
        assert.equal(error.field, field);
        assert.ok(!error.message.includes(secret), error.message);
        return true;
      });
    }
    await assert.rejects(readCredentials({ urls: HERE, bearerFile: join(folder.path, 'none') }), {
      code: 'ERR_NOT_FOUND',
    });
  });
});

describe('netrc', () => {
  it('is read by words, without comments, macros and the default entry', () => {
    const logins = parseNetrc(`
      # machine commented.example login a password b
      machine one.example
        login me
        account ignored
        password "a \\"b\\" c"
      macdef init
      machine macro.example login x password y

      machine Two.Example login you password w#x
      default login anybody password all
      machine one.example login later password later
    `);
    assert.deepEqual(
      [...logins],
      [
        ['one.example', { user: 'me', password: 'a "b" c' }],
        ['two.example', { user: 'you', password: 'w#x' }],
      ],
    );
  });
});

describe('URLs as they are shown', () => {
  it('have no login and no query', () => {
    assert.equal(displayUrl('https://me:pw@a.example:8443/x/y.tar?token=secret#z'), 'https://a.example:8443/x/y.tar');
  });

  it('still tell sources apart', () => {
    const [one, two] = ['https://a.example/x?file=1', 'https://a.example/x?file=2'].map(sourceKey);
    assert.notEqual(one, two);
    assert.ok(!one.includes('file=1'));
    assert.equal(sourceKey('https://a.example/x'), 'https://a.example/x');
  });
});
