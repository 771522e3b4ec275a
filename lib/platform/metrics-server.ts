/** `/metrics` (Prometheus), `/livez` and `/readyz` on a port of their own. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { messageOf, MillraceError } from '../core/errors.js';

export interface MetricsServer {
  /** The port it listens on. */
  readonly port: number;
  close(): Promise<void>;
}

/** A registry with the process's own metrics in it. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** Listens on `host` (loopback by default); port 0 takes a free one. Throws ERR_UNAVAILABLE when the port is taken. */
export async function startMetricsServer(
  registry: { readonly contentType: string; metrics(): Promise<string> },
  isReady: () => boolean,
  port: number,
  host = '127.0.0.1',
): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    const reply = (status: number, body: string, type = 'text/plain'): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    if (request.url === '/livez') reply(200, 'ok\n');
    else if (request.url === '/readyz') reply(isReady() ? 200 : 503, isReady() ? 'ready\n' : 'draining\n');
    else if (request.url === '/metrics') {
      registry.metrics().then(
        (text) => reply(200, text, registry.contentType),
        () => reply(500, 'cannot collect metrics\n'),
      );
    } else reply(404, 'there is /metrics, /livez and /readyz\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `cannot listen on ${host}:${port}: ${messageOf(cause)}; choose another --metrics-port`;
      reject(new MillraceError('ERR_UNAVAILABLE', message, { cause }));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
