/** What grpcurl does, over the wire: it learns of services and messages by reflection alone, and calls them with JSON. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  type ClientDuplexStream,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';
import { packageRoot } from '../../lib/platform/package-root.js';
import type { BatchServer } from '../../services/batch-server/server.js';
import { startBatchServer } from '../fixtures/batch-server.js';
import { makeSplit } from '../fixtures/split.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';

interface ReflectionResponse {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
}

/** JSON's names of fields as the descriptors have them. */
function withProtoNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withProtoNames);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, field]): [string, unknown] => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    withProtoNames(field),
  ]);
  return Object.fromEntries(entries);
}

/** The calls of the README: a method, or `list`, and the JSON that is sent. */
function readmeCalls(): { readonly method: string; readonly data: unknown }[] {
  const readme = readFileSync(join(packageRoot(), 'README.md'), 'utf8');
  const calls = readme.matchAll(/^grpcurl -plaintext (?:-d '(.*)' (?:\\\n +)?)?127\.0\.0\.1:50051 (\S+)$/gm);
  return [...calls].map(([, data = '{}', method]) => ({ method, data: withProtoNames(JSON.parse(data)) }));
}

/** All answers of a call of the service that these descriptors are of. */
async function invoke(
  address: string,
  files: readonly Buffer[],
  service: string,
  name: string,
  data: unknown,
): Promise<Record<string, unknown>[]> {
  // A FileDescriptorSet has the files as its field 1.
  const set = Buffer.concat(files.flatMap((file) => [Buffer.from([0x0a]), varint(file.length), file]));
  const definition = loadFileDescriptorSetFromBuffer(set, { longs: Number, enums: String, defaults: true });
  const Client = service
    .split('.')
    .reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], loadPackageDefinition(definition));
  const client = new (Client as ServiceClientConstructor)(address, credentials.createInsecure());
  const { requestSerialize, responseDeserialize, path, responseStream } = (definition[service] as ServiceDefinition)[
    name
  ];
  try {
    if (responseStream) {
      const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, data);
      return (await call.toArray()) as Record<string, unknown>[];
    }
    const answer = await new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, data, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });
    return [answer as Record<string, unknown>];
  } finally {
    client.close();
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}

for (const version of ['v1', 'v1alpha'] as const) {
  describe(`a batch server asked by reflection ${version}`, () => {
    const folder = temporaryFolder();
    let server: BatchServer;

    before(async () => {
      const shape = { height: 12, width: 10, channels: 3 };
      await makeSplit(folder.path, { dataset: 'sample', split: 'train', numSamples: 22, shape, shardSamples: 22 });
      server = await startBatchServer(folder.path);
    });
    after(() => server.destroy());

    async function ask(request: object): Promise<ReflectionResponse> {
      const definition = loadSync(`grpc/reflection/${version}/reflection.proto`, {
        includeDirs: [join(packageRoot(), 'node_modules/@grpc/reflection/build/proto')],
      });
      const { ServerReflection } = (
        loadPackageDefinition(definition) as unknown as {
          grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
        }
      ).grpc.reflection[version];
      const client = new ServerReflection(server.address, credentials.createInsecure());
      const open = client['ServerReflectionInfo'] as () => ClientDuplexStream<object, ReflectionResponse>;
      const call = open.call(client);
      call.write(request);
      call.end();
      const [answer] = (await call.toArray()) as ReflectionResponse[];
      client.close();
      return answer;
    }

    it('answers every grpcurl call of the README', async () => {
      const answers = new Map<string, Record<string, unknown>[]>();
      for (const { method, data } of readmeCalls()) {
        if (method === 'list') {
          const names = (await ask({ listServices: '' })).listServicesResponse?.service.map(({ name }) => name);
          assert.ok(names?.includes('millrace.v1.BatchService') && names.includes('grpc.health.v1.Health'));
          answers.set(method, []);
          continue;
        }
        const [service, name] = method.split('/');
        const { fileDescriptorResponse } = await ask({ fileContainingSymbol: service });
        const files = fileDescriptorResponse?.fileDescriptorProto ?? [];
        answers.set(name, await invoke(server.address, files, service, name, data));
      }
      assert.deepEqual([...answers.keys()], ['list', 'ListDatasets', 'StreamBatches', 'GetStatus']);
      const [{ splits }] = answers.get('ListDatasets') as { splits: { dataset: string; num_samples: number }[] }[];
      assert.deepEqual(
        splits.map(({ dataset, num_samples: numSamples }) => [dataset, numSamples]),
        [['sample', 22]],
      );
      const frames = answers.get('StreamBatches') as { step: number; ids: number[]; pixels: Buffer }[];
      assert.deepEqual(
        frames.map(({ step, ids, pixels }) => [step, ids.length, pixels.length]),
        [0, 1, 2, 3, 4].map((step) => [step, 4, 4 * 360]),
      );
      const [status] = answers.get('GetStatus') as { num_processes: number; batches_sent: number }[];
      assert.deepEqual([status.num_processes, status.batches_sent], [1, 5]);
    });
  });
}
