import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { Agent } from 'undici';
import { archivePath } from '../../lib/platform/root-layout.js';
import { readCredentials, urlCredentials } from '../../services/downloader/credentials.js';
import { httpGet, type HttpOptions } from '../../services/downloader/http-get.js';
import { journalPath } from '../../services/downloader/journal.js';
import { DEFAULT_TRANSFER_OPTIONS } from '../../services/downloader/transfer-options.js';
import { downloadRoot } from '../fixtures/download-root.js';
import { archiveOf, downloadOne, FAST, type Heard } from '../fixtures/download-run.js';
import { md5Of, noise, send, startOddServer, type Handler, type OddServer } from '../fixtures/odd-server.js';

const BODY = noise(200_000);
const EXPECTED = { bytes: BODY.length, md5: md5Of(BODY) };
const SECRET = 'hunter2';

describe('downloading from servers that want to know who asks', () => {
  const root = downloadRoot();
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
  });

  const serve = async (handler: Handler): Promise<OddServer> => {
    const server = await startOddServer(handler);
    closers.push(() => server.close());
    return server;
  };
  const listen = async (server: Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    return (server.address() as AddressInfo).port;
  };
  const placed = (): Buffer => root.placed('images.bin');

  /** Whatever was said or written anywhere. */
  const requireUnseen = (heard: readonly Heard[], ...texts: string[]): void => {
    for (const text of [JSON.stringify(heard), ...texts]) assert.ok(!text.includes(SECRET), text);
  };

  it('sends a login to the host it is for, at every try, and not to the one that it redirects to', async () => {
    const storage = await serve((exchange) => send(exchange, BODY, exchange.index === 0 ? { cutAfter: 50_000 } : {}));
    const front = await serve(({ request, response }) => {
      if (request.headers['x-token'] !== SECRET) response.writeHead(401).end();
      else response.writeHead(302, { location: `${storage.url}/a?signature=${SECRET}` }).end();
    });
    const url = `${front.url}/a`;
    const credentials = await readCredentials({ urls: [url], headers: [`X-Token: ${SECRET}`], cookie: `a=${SECRET}` });
    const { heard } = await downloadOne(root.path, archiveOf('images.bin', [url], EXPECTED), { credentials });
    assert.deepEqual(placed(), BODY);
    assert.equal(front.requests.length, 2);
    for (const { headers } of storage.requests)
      assert.deepEqual([headers['x-token'], headers.cookie], [undefined, undefined]);
    requireUnseen(heard);
  });

  it('keeps logins and signed queries out of the journal, the events and the errors', async () => {
    const server = await serve(({ response, index }) => {
      if (index > 0) response.writeHead(404).end();
      else {
        response.writeHead(200, { 'content-length': BODY.length, etag: '"v1"' });
        response.write(BODY.subarray(0, 100_000), () => response.destroy());
      }
    });
    const url = `${server.url.replace('//', `//me:${SECRET}@`)}/a?token=${SECRET}`;
    const heard: Heard[] = [];
    await assert.rejects(downloadOne(root.path, archiveOf('images.bin', [url], EXPECTED)), (error: Error) => {
      requireUnseen(heard, error.message, JSON.stringify(error));
      return true;
    });
    const authorization = `Basic ${Buffer.from(`me:${SECRET}`).toString('base64')}`;
    assert.equal(server.requests[0].headers.authorization, authorization);
    requireUnseen([], readFileSync(journalPath(`${archivePath(root.path, 'images.bin')}.part`), 'utf8'));
  });

  it('says what to do about a login that is asked for', async () => {
    const server = await serve(({ response }) => void response.writeHead(401).end());
    const run = downloadOne(root.path, archiveOf('images.bin', [`${server.url}/a`], EXPECTED));
    await assert.rejects(run, /401.*--header.*--netrc/s);
  });

  describe('by way of a proxy', () => {
    it('hands plain http to it', async () => {
      const server = await serve((exchange) => send(exchange, BODY));
      const asked: (string | undefined)[] = [];
      const proxy = createHttpServer((request, response) => {
        asked.push(request.url);
        void fetchInto(request.url ?? '', response);
      });
      const port = await listen(proxy);
      await downloadOne(root.path, archiveOf('images.bin', [`${server.url}/a`], EXPECTED), {
        proxy: { http: `http://127.0.0.1:${port}` },
      });
      assert.deepEqual(placed(), BODY);
      assert.deepEqual(asked, [`${server.url}/a`]);
    });

    it('leaves hosts alone that are not to be asked for there', async () => {
      const server = await serve((exchange) => send(exchange, BODY));
      const proxy = { http: 'http://127.0.0.1:9', noProxy: '127.0.0.1' };
      await downloadOne(root.path, archiveOf('images.bin', [`${server.url}/a`], EXPECTED), { proxy });
      assert.deepEqual(placed(), BODY);
    });

    it('says so when the proxy wants a login', async () => {
      const proxy = createHttpServer((_, response) => void response.writeHead(407).end());
      proxy.on('connect', (_, socket) => void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'));
      const port = await listen(proxy);
      const address = `http://127.0.0.1:${port}`;
      for (const url of ['http://a.example/images.bin', 'https://a.example/images.bin']) {
        const run = downloadOne(root.path, archiveOf('images.bin', [url]), {
          proxy: { http: address, https: address },
        });
        await assert.rejects(run, (error: Error & { code: string }) => {
          assert.equal(error.code, 'ERR_TRANSFER_REFUSED');
          assert.match(error.message, /proxy asks for a login \(407\)/);
          return true;
        });
      }
    });

    it('refuses one that is no URL, without showing it', async () => {
      const run = downloadOne(root.path, archiveOf('images.bin', ['http://a.example/a']), {
        proxy: { http: `socks5://me:${SECRET}@a.example` },
      });
      await assert.rejects(run, (error: Error & { field: string }) => {
        assert.equal(error.field, 'HTTP_PROXY');
        requireUnseen([], error.message);
        return true;
      });
    });
  });

  describe('over TLS', () => {
    /** A server with a certificate that nobody signed. */
    const serveTls = async (location: string): Promise<string> => {
      const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(root.folder, name));
      const subject = ['-subj', '/CN=localhost', '-days', '1', '-keyout', key, '-out', cert];
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...subject], { stdio: 'ignore' });
      const tls = { key: readFileSync(key), cert: readFileSync(cert) };
      const server = createHttpsServer(tls, (_, response) => void response.writeHead(302, { location }).end());
      const port = await listen(server);
      closers.push(() => {
        server.closeAllConnections();
        return Promise.resolve();
      });
      return `https://localhost:${port}/a`;
    };
    const get = async (url: string, connect: NonNullable<Agent.Options['connect']>) => {
      const dispatcher = new Agent({ connect });
      closers.push(() => dispatcher.destroy());
      const transfer = { ...DEFAULT_TRANSFER_OPTIONS, ...FAST };
      const options: HttpOptions = { dispatcher, transfer, credentials: urlCredentials, signal: undefined };
      return httpGet(url, {}, options);
    };

    it('refuses a certificate that cannot be trusted, at once', async () => {
      const url = await serveTls('/b');
      const run = downloadOne(root.path, archiveOf('images.bin', [url], EXPECTED));
      await assert.rejects(run, { code: 'ERR_TRANSFER_REFUSED', message: /certificate of localhost/ });
    });

    it('refuses a redirect from https to http', async () => {
      const url = await serveTls('http://127.0.0.1:9/elsewhere');
      const run = get(url, { rejectUnauthorized: false });
      await assert.rejects(run, { code: 'ERR_TRANSFER_REFUSED', message: /redirect from https to http/ });
    });

    it('tries again when a name cannot be looked up, and goes on when it can', async () => {
      const server = await serve((exchange) => send(exchange, BODY));
      let numLookups = 0;
      const dispatcher: NonNullable<Agent.Options['connect']> = {
        lookup: (_host, _options, callback) => {
          const error = Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' });
          if (numLookups++ === 0) callback(error, '', 0);
          else callback(null, [{ address: '127.0.0.1', family: 4 }] as never, 4);
        },
      };
      const url = server.url.replace('127.0.0.1', 'somewhere.example');
      await assert.rejects(get(url, dispatcher), { code: 'ERR_TRANSFER', isRetryable: true, message: /looked up/ });
      numLookups = 1;
      const response = await get(url, dispatcher);
      assert.equal(response.status, 200);
      response.discard();
    });
  });

  it('gives a host up that there is not, after some tries', async () => {
    const run = downloadOne(root.path, archiveOf('images.bin', ['http://nowhere.invalid/a'], EXPECTED));
    await assert.rejects(run, { code: 'ERR_TRANSFER', isRetryable: true });
  });
});

/** What a proxy does with a request for a whole URL. */
async function fetchInto(url: string, response: ServerResponse): Promise<void> {
  const { hostname, port, pathname } = new URL(url);
  const upstream = connect(Number(port), hostname);
  upstream.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
  response.socket?.removeAllListeners('data');
  upstream.pipe(response.socket!);
  await new Promise((resolve) => upstream.once('close', resolve));
}
