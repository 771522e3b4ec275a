/** Messages that carry gRPC's prefix, by the short way and by the one that copies, to a stock client: the same bytes come. */
import assert from 'node:assert/strict';
import {
  type Client,
  credentials,
  makeClientConstructor,
  Server,
  ServerCredentials,
  type ClientReadableStream,
  type ServerWritableStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { mix32 } from '../../lib/core/keyed-hash.js';
import { GRPC_PREFIX_BYTES, takePreFramed, withoutPrefix, writeGrpcPrefix } from '../../lib/rpc/pre-framed.js';

const SIZES = [0, 1, 5, 16_379, 16_384, 65_536, 1 << 20, 3_000_001];
const NUM_MESSAGES = 120;

const identity = (bytes: Buffer): Buffer => bytes;
const definition: ServiceDefinition = {
  download: {
    path: '/test.Frames/Download',
    requestStream: false,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: withoutPrefix,
    responseDeserialize: identity,
  },
};

/** A message that differs from every other. */
function fill(bytes: Uint8Array, index: number): void {
  for (let i = 0; i < bytes.length; i += 997) bytes[i] = mix32(index * 7_919 + i) & 0xff;
}

describe('messages that carry the prefix', () => {
  const server = new Server();
  let client: Client & { download(request: Buffer): ClientReadableStream<Buffer> };
  /** Release that the next call believes it runs on; undefined: the real one. */
  let version: string | undefined;
  let reason: string | undefined;

  before(async () => {
    // A ring as the batch server has one: shared memory, and a slot is written to again as soon as its write was called back.
    const slots = Array.from({ length: 3 }, () => Buffer.from(new SharedArrayBuffer((3 << 20) + 16)));
    const sendAll = async (call: ServerWritableStream<Buffer, Buffer>): Promise<void> => {
      reason = takePreFramed(call, version);
      const free = [...slots];
      const waiting: (() => void)[] = [];
      for (let index = 0; index < NUM_MESSAGES; index++) {
        while (free.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
        const slot = free.pop()!;
        const size = SIZES[index % SIZES.length];
        slot.fill(0xee);
        writeGrpcPrefix(slot, 1, size);
        const framed = slot.subarray(1, 1 + GRPC_PREFIX_BYTES + size);
        framed.fill(0, GRPC_PREFIX_BYTES);
        fill(framed.subarray(GRPC_PREFIX_BYTES), index);
        call.write(framed, () => {
          free.push(slot);
          waiting.pop()?.();
        });
      }
      call.end();
    };
    server.addService(definition, { download: (call: ServerWritableStream<Buffer, Buffer>) => void sendAll(call) });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const Stub = makeClientConstructor(definition, 'Frames');
    client = new Stub(`127.0.0.1:${port}`, credentials.createInsecure()) as unknown as typeof client;
  });
  after(() => {
    client.close();
    server.forceShutdown();
  });

  async function receiveAll(): Promise<void> {
    let index = 0;
    for await (const message of client.download(Buffer.alloc(0)) as AsyncIterable<Buffer>) {
      const expected = Buffer.alloc(SIZES[index % SIZES.length]);
      fill(expected, index);
      assert.ok(message.equals(expected), `message ${index} of ${expected.length} bytes`);
      index++;
    }
    assert.equal(index, NUM_MESSAGES);
  }

  it('come as they are by the short way, which the installed grpc-js has', async () => {
    version = undefined;
    await receiveAll();
    assert.equal(reason, undefined);
  });

  it('come as they are where the short way is not known', async () => {
    version = '1.15.0';
    await receiveAll();
    assert.match(reason ?? '', /1\.15\.0 is not a release/);
  });

  it('are copied when grpc-js sends in another way than expected', () => {
    const call = (inner: unknown): ServerWritableStream<Buffer, Buffer> =>
      ({ call: inner }) as unknown as ServerWritableStream<Buffer, Buffer>;
    assert.match(takePreFramed(call(undefined)) ?? '', /no serializeMessage/);
    assert.match(takePreFramed(call({ serializeMessage: () => Buffer.alloc(3) })) ?? '', /something else/);
    const failing = {
      serializeMessage: () => {
        throw new Error('moved');
      },
    };
    assert.match(takePreFramed(call(failing)) ?? '', /moved/);
  });
});
