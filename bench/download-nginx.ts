/** nginx on a free port of loopback, with its files in a folder of ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchArchive } from './download-archive.js';
import { FILE } from './download-tools.js';

export interface FileServer {
  readonly url: string;
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;

/** Serves the whole archive. Undefined when there is no nginx. */
export async function startNginx(archive: BenchArchive): Promise<FileServer | undefined> {
  const folder = join(archive.folder, 'nginx');
  mkdirSync(folder);
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
     ${userInfo().uid === 0 ? 'user root;' : ''}
     events {}
     http {
       access_log off; sendfile on; tcp_nopush on;
       ${temporary.map((name) => `${name}_temp_path ${name};`).join(' ')}
       server {
         listen 127.0.0.1:${port};
         location = /${FILE} { alias ${archive.path}; }
       }
     }`,
  );
  const child = spawn('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: 'ignore' });
  const ended = once(child, 'exit').catch(() => undefined);
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (child.pid !== undefined && child.exitCode === null && Date.now() < deadlineMs) {
    if (await isListening(port)) {
      return {
        url: `http://127.0.0.1:${port}/${FILE}`,
        async close() {
          child.kill('SIGQUIT');
          await ended;
        },
      };
    }
    await sleep(20);
  }
  child.kill('SIGKILL');
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
