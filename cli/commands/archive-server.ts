import type { Command } from 'commander';
import { once } from 'node:events';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { createArchiveServer } from '../../services/archive-server/archive-server.js';
import { openServedDataset, SERVED_DATASETS } from '../../services/archive-server/served-dataset.js';
import { defineCommand, integerFlag, numberFlag } from '../command.js';

/** `millrace archive-server <dataset>`: serves archives over loopback, for trying a download out. */
export function addArchiveServerCommand(program: Command): void {
  defineCommand(program, {
    usage: 'archive-server <dataset>',
    summary: `serve the archives of ${SERVED_DATASETS.join(' or ')} over HTTP on loopback, until interrupted`,
    examples: [
      'millrace archive-server sample --port 8080',
      'millrace archive-server sample --port 8080 --cut-first-transfer 0.5   # to see a resume',
    ],
    flags: (command) =>
      command
        .option('--port <port>', 'where to listen (default: a free port)')
        .option('--cut-first-transfer <share>', 'cut the first transfer of the largest archive after this share of it'),
    schema: z.object({
      dataset: z.enum(SERVED_DATASETS, { error: `expected one of ${SERVED_DATASETS.join(', ')}` }),
      port: integerFlag(0, 65_535).default(0),
      cutFirstTransfer: numberFlag(0.001, 0.999).optional(),
    }),
    async action({ dataset: name, port, cutFirstTransfer }, { root, environment, reporter, signal }) {
      const sampleFolder = join(root, 'sample-archives');
      const { dataset, files } = await openServedDataset(name, {
        sampleFolder,
        testData: environment.testData,
        reporter,
        signal,
      });
      const server = createArchiveServer({ dataset, files, port, cutFirstTransferAt: cutFirstTransfer });
      const url = await server.start();
      try {
        // The digests of what was drawn stand there.
        const source = name === 'sample' ? relative('', join(sampleFolder, 'dataset.json')) : name;
        const text = `serving ${name} at ${url}; fetch it with: millrace download ${source} --base-url ${url}`;
        reporter.event('listening', text, { url, port: Number(new URL(url).port) });
        if (!signal.aborted) await once(signal, 'abort');
      } finally {
        await server.close();
      }
    },
  });
}
