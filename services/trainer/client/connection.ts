/** A gRPC connection to a server, a TCP connection of its own, opened when first used. */
import {
  connectivityState,
  credentials,
  Metadata,
  type ChannelCredentials,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import { MillraceError } from '../../../lib/core/errors.js';
import {
  BatchServiceClient,
  type BatchFrame,
  type GetDatasetResponse,
  type ListDatasetsResponse,
  type StreamBatchesRequest,
} from '../../../protos/gen/millrace/v1/batch.js';
import type { ConnectOptions, TlsOptions } from './options.js';

/** Receive window of HTTP/2: a Node client's default of 64 KiB holds a stream to a fifth of its rate. */
const FLOW_CONTROL_WINDOW_BYTES = 16 << 20;
const ANSWER_TIMEOUT_MS = 10_000;

export interface Connection {
  readonly server: string;
  listDatasets(): Promise<ListDatasetsResponse>;
  /** Rejects as soon as the signal is aborted. */
  getDataset(dataset: string, split: string, signal: AbortSignal): Promise<GetDatasetResponse>;
  /** Ends with ERR_UNAVAILABLE also when whoever took the connection says nothing, for which grpc-js would wait for ever. */
  streamBatches(request: StreamBatchesRequest): ClientReadableStream<BatchFrame>;
  close(): void;
}

export function createConnection(server: string, options: Omit<ConnectOptions, 'servers'>): Connection {
  const { tls, token, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
  const channelCredentials = tls === undefined ? credentials.createInsecure() : secureCredentials(tls);
  const client = new BatchServiceClient(server, channelCredentials, {
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    // grpc-js would give all channels to a server one TCP connection.
    'grpc.use_local_subchannel_pool': 1,
    // A server that vanished without a word is noticed, also while a stream waits.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 20_000,
    // Our own back-off decides when to try again.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
  });
  const metadata = (): Metadata => {
    const fields = new Metadata();
    if (token !== undefined) fields.set('authorization', `Bearer ${token}`);
    return fields;
  };
  const deadline = (): { deadline: number } => ({ deadline: Date.now() + answerTimeoutMs });
  return {
    server,
    listDatasets: () =>
      new Promise((resolve, reject) => {
        client.listDatasets({}, metadata(), deadline(), (error, response) =>
          error === null ? resolve(response) : reject(error),
        );
      }),
    getDataset: (dataset, split, signal) =>
      new Promise((resolve, reject) => {
        const cancel = (): void => call.cancel();
        const call = client.getDataset({ dataset, split }, metadata(), deadline(), (error, response) => {
          signal.removeEventListener('abort', cancel);
          if (error === null) resolve(response);
          else reject(error);
        });
        signal.addEventListener('abort', cancel, { once: true });
      }),
    streamBatches: (request) => {
      const call = client.streamBatches(request, metadata());
      const overdue = setTimeout(() => {
        if (client.getChannel().getConnectivityState(false) === connectivityState.READY) return;
        const message = `server ${server}: took the connection, but said nothing for ${answerTimeoutMs / 1000} s`;
        call.destroy(new MillraceError('ERR_UNAVAILABLE', message, { isRetryable: true, context: { server } }));
      }, answerTimeoutMs);
      call.once('close', () => clearTimeout(overdue));
      return call;
    },
    close: () => client.close(),
  };
}

/** Copies, as PEM texts that come from another thread are no Buffers any more. */
function secureCredentials({ rootCertificates, privateKey, certificateChain }: TlsOptions): ChannelCredentials {
  const copy = (text: Uint8Array | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return credentials.createSsl(copy(rootCertificates), copy(privateKey), copy(certificateChain));
}
