/** A small HTTP server for a handful of named files: for demonstrations, tests, and hosts that have an archive already. */
import { statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Dataset } from '../../lib/catalog/dataset-schema.js';
import { serveFile } from './serve-file.js';

export interface ArchiveServerOptions {
  /** What is served, at `GET /dataset.json`, with this server's URLs filled in. */
  readonly dataset: Dataset;
  /** Where each archive of the dataset lies; no other file can be reached, whatever path a request names. */
  readonly files: ReadonlyMap<string, string>;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Share of (0, 1) of the largest file after which its first transfer is cut, so that a resume is seen to work. */
  readonly cutFirstTransferAt?: number | undefined;
}

export interface ArchiveServer {
  /** Listens on loopback. Resolves with the base URL, e.g. "http://127.0.0.1:41234". Throws when the port is taken. */
  start(): Promise<string>;
  /** Stops listening and ends all connections. */
  close(): Promise<void>;
}

export function createArchiveServer(options: ArchiveServerOptions): ArchiveServer {
  const { dataset, files, port = 0, cutFirstTransferAt } = options;
  let uncutFile = cutFirstTransferAt === undefined ? undefined : largestOf(files);

  const takeCut = (name: string, request: IncomingMessage): number | undefined => {
    if (name !== uncutFile || request.method !== 'GET') return undefined;
    uncutFile = undefined;
    return cutFirstTransferAt;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    const name = nameOf(request.url ?? '/');
    if (name === 'dataset.json') {
      response.setHeader('content-type', 'application/json');
      response.end(`${JSON.stringify(withUrls(dataset, baseUrlOf(server)), null, 2)}\n`);
      return;
    }
    const path = name === undefined ? undefined : files.get(name);
    if (name === undefined || path === undefined) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('no such archive; see /dataset.json\n');
      return;
    }
    await serveFile(request, response, { path, cutAt: takeCut(name, request) });
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => {
      // The client went away, or the file cannot be read: there is nobody to tell, or no way to take the status back.
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });

  return {
    async start() {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(port, '127.0.0.1', resolve);
      });
      return baseUrlOf(server);
    },
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

function baseUrlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The name in a request's path; undefined when the path is not one name. */
function nameOf(target: string): string | undefined {
  try {
    return decodeURIComponent(/^\/([^/?]+)(\?.*)?$/.exec(target)?.[1] ?? '');
  } catch {
    return undefined;
  }
}

function withUrls(dataset: Dataset, baseUrl: string): Dataset {
  return {
    ...dataset,
    archives: dataset.archives.map((archive) => ({ ...archive, urls: [`${baseUrl}/${archive.file}`] })),
  };
}

function largestOf(files: ReadonlyMap<string, string>): string | undefined {
  const sizes = [...files].map(([name, path]) => ({ name, size: statSync(path).size }));
  return sizes.sort((a, b) => b.size - a.size).at(0)?.name;
}
