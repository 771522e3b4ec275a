#!/usr/bin/env node
/** The one program, `millrace`: a file a command in `commands/`. */
import { Command, CommanderError } from 'commander';
import { EXIT_FAILED, EXIT_UNREAD, EXIT_USAGE } from './exit-codes.js';
import { printError } from './command.js';
import { codeOf, messageOf } from '../lib/core/errors.js';
import { packageVersion } from '../lib/platform/package-root.js';

/** In the order of the help. Only the one that is asked for is loaded: all of them together take half a second. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  run: async () => (await import('./commands/run.js')).addRunCommand,
  catalog: async () => (await import('./commands/catalog.js')).addCatalogCommand,
  download: async () => (await import('./commands/download.js')).addDownloadCommand,
  downloader: async () => (await import('./commands/downloader.js')).addDownloaderCommand,
  prepare: async () => (await import('./commands/prepare.js')).addPrepareCommand,
  worker: async () => (await import('./commands/worker.js')).addWorkerCommand,
  verify: async () => (await import('./commands/verify.js')).addVerifyCommand,
  inspect: async () => (await import('./commands/inspect.js')).addInspectCommand,
  serve: async () => (await import('./commands/serve.js')).addServeCommand,
  token: async () => (await import('./commands/token.js')).addTokenCommand,
  train: async () => (await import('./commands/train.js')).addTrainCommand,
  classify: async () => (await import('./commands/classify.js')).addClassifyCommand,
  'convert-imageset': async () => (await import('./commands/convert-imageset.js')).addConvertImagesetCommand,
  'compute-image-mean': async () => (await import('./commands/compute-image-mean.js')).addComputeImageMeanCommand,
  'archive-server': async () => (await import('./commands/archive-server.js')).addArchiveServerCommand,
};

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (codeOf(error) === 'EPIPE') process.exit(EXIT_UNREAD);
    // Where nothing can be printed, this is not seen either: the code tells.
    if (stream === process.stdout) process.stderr.write(`millrace: cannot print: ${messageOf(error)}\n`);
    process.exit(EXIT_FAILED);
  });
}

const program = new Command('millrace')
  .description('Fetch image datasets, turn them into LMDB shards, stream shuffled batches to trainers elsewhere.')
  .version(packageVersion())
  .exitOverride()
  .configureHelp({ subcommandTerm: (command) => command.name() })
  .showHelpAfterError('(--help shows what there is)');

const asked = Object.entries(COMMANDS).filter(([name]) => name === process.argv[2]);
for (const [, load] of asked.length > 0 ? asked : Object.entries(COMMANDS)) (await load())(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its message; help and version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
  } else {
    printError(error, false);
    process.exitCode = EXIT_FAILED;
  }
}
