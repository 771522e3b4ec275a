/** Clients that talk nonsense, while another one is served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { status } from '@grpc/grpc-js';
import { mix32 } from '../../lib/core/keyed-hash.js';
import { connect, type Batch } from '../../services/trainer/client/client.js';
import type { BatchServer } from '../../services/batch-server/server.js';
import { collectBatches, metricOf, startBatchServer } from '../fixtures/batch-server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

const METHOD = '/millrace.v1.BatchService/StreamBatches';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const STREAM = { dataset: 'fixture', split: 'train', batchSize: 5, seed: 2, epochs: 3, prefetchBytes: 0 } as const;

function noise(numBytes: number, salt: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: numBytes }, (_, i) => mix32(i * 31 + salt) >>> 24));
}

/** A message as gRPC sends it. */
function framed(message: Buffer, flag = 0, length = message.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}

describe('a batch server that is sent garbage', () => {
  const folder = temporaryFolder();
  let server: BatchServer;
  let expected: Batch[];

  before(async () => {
    const shape = { height: 12, width: 10, channels: 3 };
    await makeSplit(folder.path, { dataset: 'fixture', split: 'train', numSamples: 40, shape, shardSamples: 10 });
    server = await startBatchServer(folder.path);
    const client = connect({ servers: [server.address] });
    expected = await collectBatches(client, STREAM);
    client.close();
  });
  after(() => server.destroy());

  /** Sends bytes and waits until the server has hung up; then it took them for what they are. */
  async function sendRaw(bytes: Buffer): Promise<void> {
    const [host, port] = server.address.split(':');
    const socket = connectTcp(Number(port), host);
    socket.on('error', () => undefined);
    socket.resume().write(bytes);
    await once(socket, 'close');
  }

  /** Calls StreamBatches with these bytes as the body; resolves with the status that the call ends with. */
  async function sendBody(body: Buffer, path = METHOD): Promise<number> {
    const session = connectHttp2(`http://${server.address}`);
    session.on('error', () => undefined);
    const request = session.request({
      ...{ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    });
    let grpcStatus: unknown;
    const note = (headers: Record<string, unknown>): void => {
      grpcStatus = headers['grpc-status'] ?? grpcStatus;
    };
    request.on('response', note).on('trailers', note);
    request.on('error', () => undefined);
    request.resume().end(body);
    await once(request, 'close');
    session.close();
    return Number(grpcStatus);
  }

  for (const [what, send] of [
    ['no HTTP/2 at all', () => sendRaw(Buffer.concat([noise(64, 1), Buffer.from('\r\n\r\n'), noise(100_000, 2)]))],
    ['HTTP/1.1', () => sendRaw(Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'))],
    ['HTTP/2 frames that are none', () => sendRaw(Buffer.concat([Buffer.from(PREFACE), noise(50_000, 3)]))],
    ['a message that is no request', async () => assert.notEqual(await sendBody(framed(noise(200, 4))), status.OK)],
    [
      'a message that says it is longer than any may be',
      async () => assert.equal(await sendBody(framed(noise(100, 5), 0, 0xffff_ffff)), status.RESOURCE_EXHAUSTED),
    ],
    [
      'a compressed message that is none',
      async () => assert.notEqual(await sendBody(framed(noise(100, 6), 1)), status.OK),
    ],
    ['half a message', async () => assert.notEqual(await sendBody(framed(noise(10, 7), 0, 100)), status.OK)],
    ['no message', async () => assert.notEqual(await sendBody(Buffer.alloc(0)), status.OK)],
    [
      'a method that there is not',
      async () => assert.equal(await sendBody(framed(noise(10, 8)), `${METHOD}Now`), status.UNIMPLEMENTED),
    ],
  ] as const) {
    it(`serves others to the last bit beside a client that sends ${what}`, async () => {
      const client = connect({ servers: [server.address], giveUpMs: 0 });
      const got: Batch[] = [];
      for await (const batch of client.stream(STREAM)) {
        if (got.length === 2) await Promise.all(Array.from({ length: 5 }, send));
        got.push(batch);
      }
      client.close();
      assert.deepEqual(got, expected);
    });
  }

  it('has no stream left of it', async () => {
    while ((await metricOf(server, 'millrace_serve_streams_active')) !== 0);
  });
});
