#!/usr/bin/env node
/** The one program, `millrace`: a file a command in `commands/`. */
import { Command, CommanderError } from 'commander';
import { EXIT_FAILED, EXIT_USAGE } from './exit-codes.js';
import { printError } from './command.js';
import { addArchiveServerCommand } from './commands/archive-server.js';
import { addCatalogCommand } from './commands/catalog.js';
import { addClassifyCommand } from './commands/classify.js';
import { addComputeImageMeanCommand } from './commands/compute-image-mean.js';
import { addConvertImagesetCommand } from './commands/convert-imageset.js';
import { addDownloadCommand } from './commands/download.js';
import { addDownloaderCommand } from './commands/downloader.js';
import { addInspectCommand } from './commands/inspect.js';
import { addPrepareCommand } from './commands/prepare.js';
import { addRunCommand } from './commands/run.js';
import { addServeCommand } from './commands/serve.js';
import { addTrainCommand } from './commands/train.js';
import { addVerifyCommand } from './commands/verify.js';
import { addWorkerCommand } from './commands/worker.js';
import { packageVersion } from '../lib/platform/package-root.js';

const program = new Command('millrace')
  .description('Fetch image datasets, turn them into LMDB shards, stream shuffled batches to trainers elsewhere.')
  .version(packageVersion())
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)');

addRunCommand(program);
addCatalogCommand(program);
addDownloadCommand(program);
addDownloaderCommand(program);
addPrepareCommand(program);
addWorkerCommand(program);
addVerifyCommand(program);
addInspectCommand(program);
addServeCommand(program);
addTrainCommand(program);
addClassifyCommand(program);
addConvertImagesetCommand(program);
addComputeImageMeanCommand(program);
addArchiveServerCommand(program);

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
