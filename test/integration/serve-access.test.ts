import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentials, makeGenericClientConstructor, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { createLogger } from '../../lib/platform/logger.js';
import { createToken, parseTokenFile } from '../../lib/rpc/token-file.js';
import { BatchServiceClient, StreamBatchesRequest } from '../../protos/gen/millrace/v1/batch.js';
import { BatchServer, type BatchServerOptions } from '../../services/batch-server/server.js';
import { connect, type Client, type ConnectOptions } from '../../services/trainer/client/client.js';
import { makeCertificates, type Certificates } from '../fixtures/certificates.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const SHAPE = { height: 12, width: 10, channels: 3 };
const STREAM = { dataset: 'fixture', split: 'train', batchSize: 5, epochs: 1 } as const;
const log = createLogger('test', 'silent');

describe('access to a batch server', () => {
  const folder = temporaryFolder();
  const closers: (() => unknown)[] = [];

  before(() =>
    makeSplit(folder.path, {
      ...{ dataset: 'fixture', split: 'train' },
      numSamples: 20,
      shape: SHAPE,
      shardSamples: 20,
    }),
  );
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  const serve = async (options: Partial<BatchServerOptions>): Promise<BatchServer> => {
    const server = BatchServer.create({ root: folder.path, port: 0, drainMs: 0, ...options }, log);
    await server.start();
    closers.unshift(() => server.destroy());
    return server;
  };
  const call = (server: Pick<BatchServer, 'address'>, options: Partial<ConnectOptions>): Client => {
    const client = connect({ servers: [server.address], giveUpMs: 0, ...options });
    closers.unshift(() => client.close());
    return client;
  };
  const numBatches = async (client: Client): Promise<number> => {
    let count = 0;
    for await (const batch of client.stream(STREAM)) count += batch.ids.length / 5;
    return count;
  };

  describe('with tokens', () => {
    const { token, line } = createToken('trainer', { maxStreams: 2, bytesPerSecond: undefined });
    const guest = createToken('guest', { maxStreams: undefined, bytesPerSecond: undefined });
    const tokens = parseTokenFile(`${line}\n${guest.line}`, 'tokens');
    let server: BatchServer;
    let stub: BatchServiceClient;
    const as = (bearer: string): Metadata => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${bearer}`);
      return metadata;
    };

    beforeEach(async () => {
      server = await serve({ tokens });
      stub = new BatchServiceClient(server.address, credentials.createInsecure());
      closers.unshift(() => stub.close());
    });
    /** A stream without end, once its first frame is there. */
    const openStream = async (bearer: string): Promise<{ cancel: () => void }> => {
      const request = StreamBatchesRequest.fromPartial({ ...STREAM, globalBatchSize: 5 });
      const stream = stub.streamBatches(request, as(bearer));
      stream.on('error', () => undefined);
      await new Promise((resolve, reject) => stream.once('data', resolve).once('error', reject));
      stream.pause();
      return stream;
    };

    it('is for those who have one', async () => {
      assert.equal(await numBatches(call(server, { token })), 4);
      assert.equal((await call(server, { token: guest.token }).dataset('fixture', 'train')).numSamples, 20);
    });

    for (const [what, wrong] of [
      ['without one', undefined],
      ['with another one', createToken('trainer', { maxStreams: undefined, bytesPerSecond: undefined }).token],
    ] as const) {
      it(`is refused ${what}, whatever is asked, without a second try`, async () => {
        const client = call(server, { token: wrong, giveUpMs: 60_000 });
        await assert.rejects(client.dataset('fixture', 'train'), { code: 'ERR_UNAUTHENTICATED', message: /token/ });
        await assert.rejects(numBatches(client), { code: 'ERR_UNAUTHENTICATED' });
        const refused = await new Promise<ServiceError | null>((resolve) => {
          stub.getStatus({ residency: false }, wrong === undefined ? new Metadata() : as(wrong), (error) =>
            resolve(error),
          );
        });
        assert.equal(refused?.code, status.UNAUTHENTICATED);
      });
    }

    it('answers health checks to everybody', async () => {
      const Health = makeGenericClientConstructor(healthService, 'grpc.health.v1.Health');
      const health = new Health(server.address, credentials.createInsecure());
      closers.unshift(() => health.close());
      const answer = await new Promise((resolve, reject) => {
        const check = health['check'] as (
          request: object,
          done: (error: Error | null, answer: unknown) => void,
        ) => void;
        check.call(health, { service: '' }, (error, value) => (error === null ? resolve(value) : reject(error)));
      });
      assert.deepEqual(answer, { status: 'SERVING' });
    });

    it('opens as many streams at a time as the token may have, and says so of one more', async () => {
      const first = await openStream(token);
      await openStream(token);
      await assert.rejects(openStream(token), {
        code: status.RESOURCE_EXHAUSTED,
        details: /"trainer" may have streams=2/,
      });
      // Others are not held up by it.
      await openStream(guest.token);
      first.cancel();
      for (let isOpen = false; !isOpen;) {
        isOpen = await openStream(token).then(
          () => true,
          () => false,
        );
      }
    });
  });

  describe('with a token file that changes', () => {
    const [kept, taken] = ['kept', 'taken'].map((name) =>
      createToken(name, { maxStreams: undefined, bytesPerSecond: undefined }),
    );
    const code = (error: unknown): unknown => (error as { code?: unknown }).code;

    it('ends the streams of a token that is taken away, lets it in no more, and lets new ones in', async () => {
      const path = join(folder.path, 'tokens.txt');
      writeFileSync(path, `${kept.line}\n${taken.line}\n`);
      const server = await serve({ tokens: parseTokenFile(readFileSync(path, 'utf8'), path), tokensPath: path });
      const added = createToken('added', { maxStreams: undefined, bytesPerSecond: undefined });
      const endless = async (token: string): Promise<void> => {
        let isChanged = false;
        for await (const batch of call(server, { token }).stream({ ...STREAM, epochs: undefined })) {
          if (!isChanged) writeFileSync(path, `${kept.line}\n${added.line}\n`);
          isChanged = true;
          assert.equal(batch.ids.length, 5);
        }
      };
      await assert.rejects(endless(taken.token), { code: 'ERR_UNAUTHENTICATED' });
      await assert.rejects(numBatches(call(server, { token: taken.token })), { code: 'ERR_UNAUTHENTICATED' });
      for (const { token } of [kept, added]) assert.equal(await numBatches(call(server, { token })), 4);

      // A file that is not understood changes nothing; an empty one lets nobody in.
      writeFileSync(path, 'what is this');
      assert.equal(await numBatches(call(server, { token: added.token })), 4);
      writeFileSync(path, '');
      for (let last: unknown; last !== 'ERR_UNAUTHENTICATED';) {
        last = await numBatches(call(server, { token: added.token })).catch(code);
      }
    });
  });

  describe('with TLS', () => {
    let certificates: Certificates;

    before(() => {
      certificates = makeCertificates(folder.path);
    });

    it('is for those with a certificate of the authority, when one is asked for', async () => {
      const { authority, client, server } = certificates;
      const feeder = await serve({ tls: { ...server, clientCa: authority } });
      const ours = { rootCertificates: authority, certificateChain: client.certificate, privateKey: client.key };
      assert.equal(await numBatches(call(feeder, { tls: ours })), 4);
      await assert.rejects(numBatches(call(feeder, { tls: { rootCertificates: authority } })), {
        code: 'ERR_UNAVAILABLE',
      });
    });

    it('says in a line why there is no connection', async () => {
      const { authority, server } = certificates;
      const plain = await serve({});
      const secured = await serve({ tls: { ...server, clientCa: authority } });
      const tls = { rootCertificates: authority };
      for (const [address, options, reason] of [
        [plain.address, { tls }, /^TLS: [\w ]+$/],
        [secured.address, { tls }, /^TLS: [\w ]+ certificate required$/],
        [secured.address, {}, /^the server hung up; one of both may want TLS$/],
        ['127.0.0.1:1', {}, /^ECONNREFUSED$/],
      ] as const) {
        await assert.rejects(numBatches(call({ address }, options)), ({ message }: Error) => {
          assert.match(message.split(`server ${address}: cannot connect: `).at(-1)!, reason, message);
          return true;
        });
      }
    });

    it('goes with tokens', async () => {
      const { authority, server } = certificates;
      const { token, line } = createToken('trainer', { maxStreams: 1, bytesPerSecond: undefined });
      const feeder = await serve({ tls: server, tokens: parseTokenFile(line, 'tokens') });
      assert.equal(await numBatches(call(feeder, { tls: { rootCertificates: authority }, token })), 4);
      await assert.rejects(numBatches(call(feeder, { tls: { rootCertificates: authority } })), {
        code: 'ERR_UNAUTHENTICATED',
      });
    });
  });
});
