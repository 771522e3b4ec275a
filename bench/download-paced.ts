/** The paced file server of download-paced-main.ts, in a process of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { BenchArchive } from './download-archive.js';
import type { FileServer } from './download-nginx.js';

export interface PacedServerReport {
  /** Bytes of bodies that went into the kernel. */
  readonly numBytesSent: number;
  /** From the first request to the last byte. */
  readonly seconds: number;
}

/** To the server's process; the first two are answered by a {@link PacedServerReport}. */
export type PacedServerOrder = 'report' | 'hold' | 'go-on';

export interface PacedServer extends FileServer {
  /** What it did since the last call. */
  report(): Promise<PacedServerReport>;
  /** As {@link report}; from then on nothing is sent until {@link goOn}. */
  hold(): Promise<PacedServerReport>;
  goOn(): void;
}

/** Serves the first `numBytes` of the archive, at `bytesPerSecond` a connection (0: as fast as it goes). */
export async function startPacedServer(
  archive: BenchArchive,
  numBytes: number,
  bytesPerSecond: number,
): Promise<PacedServer> {
  const args = [archive.path, String(numBytes), String(bytesPerSecond)];
  const child = fork(join(import.meta.dirname, 'download-paced-main.js'), args);
  const [url] = (await once(child, 'message')) as [string];
  const ask = async (order: PacedServerOrder): Promise<PacedServerReport> => {
    child.send(order);
    const [report] = (await once(child, 'message')) as [PacedServerReport];
    return report;
  };
  return {
    url,
    report: () => ask('report'),
    hold: () => ask('hold'),
    goOn: () => void child.send('go-on' satisfies PacedServerOrder),
    async close() {
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
    },
  };
}
