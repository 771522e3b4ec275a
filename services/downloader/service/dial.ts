/** Reaching a download service: its address, how it is known, and who calls. */
import { credentials, Metadata, type ClientOptions } from '@grpc/grpc-js';
import { UsageError } from '../../../lib/core/errors.js';
import { isLoopbackAddress } from '../../../lib/core/loopback.js';
import { DownloadServiceClient } from '../../../protos/gen/millrace/v1/download.js';

export interface ServiceAccess {
  /** `host:port` of the service. */
  readonly service: string;
  /** PEM texts: the certificate authority of the service, and the client's own certificate for services that ask for one. Undefined: no TLS. */
  readonly tls?:
    { readonly rootCertificates: Buffer; readonly privateKey?: Buffer; readonly certificateChain?: Buffer } | undefined;
  /** Bearer token that each call carries. Only over TLS, or to a service on this machine. */
  readonly token?: string | undefined;
}

export interface ServiceConnection {
  /** The caller closes it. */
  readonly client: DownloadServiceClient;
  /** For each call. */
  readonly metadata: Metadata;
}

/** Connects when the first call is made. Throws UsageError when the token would go over the network in the clear. */
export function dial({ service, tls, token }: ServiceAccess, options: ClientOptions = {}): ServiceConnection {
  if (token !== undefined && tls === undefined && !isLoopbackAddress(service)) {
    throw new UsageError('token', `token: it would go to ${service} in the clear; use TLS as well`);
  }
  const channel =
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(tls.rootCertificates, tls.privateKey, tls.certificateChain);
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  return { client: new DownloadServiceClient(service, channel, options), metadata };
}
