#!/usr/bin/env node
/** The one program, `millrace`: a file a command in `commands/`. */
import { Command, CommanderError } from 'commander';
import { EXIT_FAILED, EXIT_USAGE } from './exit-codes.js';
import { printError } from './command.js';
import { addCatalogCommand } from './commands/catalog.js';
import { packageVersion } from '../lib/platform/package-root.js';

const program = new Command('millrace')
  .description('Fetch image datasets, turn them into LMDB shards, stream shuffled batches to trainers elsewhere.')
  .version(packageVersion())
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)');

addCatalogCommand(program);

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
