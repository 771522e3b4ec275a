/** What every command has in common: its common flags, checked options, where it reports to, and how it ends. */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { z } from 'zod';
import { InterruptedError, MillraceError, UsageError } from '../lib/core/errors.js';
import { LOG_LEVELS, readEnvironment, type Environment } from '../lib/platform/environment.js';
import { createLogger, type Logger } from '../lib/platform/logger.js';
import { watchSignals } from '../lib/platform/lifecycle.js';
import { createReporter, type Reporter } from '../lib/platform/progress.js';
import { toUnforeseenDiskError } from '../lib/platform/system-error.js';
import { exitCodeOf } from './exit-codes.js';

/** What a command's action is handed besides its own options. */
export interface CommandContext {
  readonly environment: Environment;
  /** Absolute path of `--root`, or of MILLRACE_ROOT. */
  readonly root: string;
  readonly json: boolean;
  readonly reporter: Reporter;
  /** Made when it is asked for. */
  readonly log: Logger;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** Prints the command's result on stdout: `text` for people, with `--json` `{"event":"result", ...fields}`. */
  readonly result: (fields: Readonly<Record<string, unknown>>, text: string) => void;
}

export interface CommandDefinition<Schema extends z.ZodObject> {
  /** Commander's form: `download <dataset>`. Arguments are validated with the options, under their camelCase names. */
  readonly usage: string;
  readonly summary: string;
  /** Lines of the form `millrace … # what it does`, shown under `--help`. */
  readonly examples: readonly string[];
  /** Adds the command's own flags. */
  readonly flags?: (command: Command) => unknown;
  /** Checks and fills arguments and flags. */
  readonly schema: Schema;
  readonly action: (options: z.output<Schema>, context: CommandContext) => Promise<void>;
}

const commonSchema = z.object({
  root: z.string().min(1, 'expected a folder').optional(),
  json: z.boolean().default(false),
  logLevel: z.enum(LOG_LEVELS).optional(),
});

/** Adds a command with the flags that all have: `--root`, `--json`, `--log-level`, and its examples to `--help`. */
export function defineCommand<Schema extends z.ZodObject>(
  program: Command,
  definition: CommandDefinition<Schema>,
): void {
  const command = program.command(definition.usage).description(definition.summary);
  definition.flags?.(command);
  command
    .option('--root <folder>', 'where archives and datasets live (default: MILLRACE_ROOT or ./.millrace)')
    .option('--json', 'print JSON lines on stdout, for programs')
    .option('--log-level <level>', `one of ${LOG_LEVELS.join(', ')} (default: MILLRACE_LOG_LEVEL or warn)`)
    .addHelpText('after', `\nExamples:\n${definition.examples.map((line) => `  $ ${line}`).join('\n')}`)
    .action(async () => {
      const names = command.registeredArguments.map((argument) => camelCase(argument.name()));
      const positional = Object.fromEntries(
        names.map((name, index) => [name, command.processedArgs[index] as unknown]),
      );
      await runAction(command.name(), definition, { ...command.opts(), ...positional }, names);
    });
}

async function runAction<Schema extends z.ZodObject>(
  name: string,
  definition: CommandDefinition<Schema>,
  raw: Record<string, unknown>,
  positionalNames: readonly string[],
): Promise<void> {
  const json = raw['json'] === true;
  const reporter = createReporter({ json, stdout: process.stdout, stderr: process.stderr });
  const lifecycle = watchSignals((signal) => {
    reporter.event('interrupted', `${signal}: finishing what is under way; once more to stop at once`, { signal });
  });
  try {
    const environment = readEnvironment();
    const common = parseOptions(commonSchema, raw, positionalNames);
    const options = parseOptions(definition.schema, raw, positionalNames);
    await definition.action(options, {
      environment,
      root: common.root === undefined ? environment.root : resolve(common.root),
      json,
      reporter,
      get log() {
        return createLogger(name, common.logLevel ?? environment.logLevel);
      },
      signal: lifecycle.signal,
      result(fields, text) {
        reporter.close();
        process.stdout.write(json ? `${JSON.stringify({ event: 'result', ...fields })}\n` : `${text}\n`);
      },
    });
    reporter.close();
  } catch (thrown) {
    reporter.close();
    const isInterrupted = lifecycle.signal.aborted && !(thrown instanceof MillraceError);
    const error = isInterrupted ? new InterruptedError() : toUnforeseenDiskError(thrown);
    printError(error, json);
    process.exitCode = exitCodeOf(error);
  } finally {
    lifecycle.dispose();
  }
}

/** Parses flags and arguments. Throws UsageError naming the flag as the user writes it (`--shard-samples`). */
export function parseOptions<Schema extends z.ZodObject>(
  schema: Schema,
  raw: Readonly<Record<string, unknown>>,
  positionalNames: readonly string[] = [],
): z.output<Schema> {
  const known = Object.fromEntries(Object.entries(raw).filter(([key]) => key in schema.shape));
  const parsed = schema.safeParse(known);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = String(issue.path[0] ?? '');
  const flag = positionalNames.includes(field) ? `<${kebabCase(field)}>` : flagName(field);
  const value = known[field];
  const got = typeof value === 'string' ? `, got "${value}"` : '';
  throw new UsageError(flag, `${flag}: ${issue.message}${got}`);
}

/** Prints an error for people on stderr, or as a JSON line on stdout. The stack is shown only for bugs. */
export function printError(error: unknown, json: boolean): void {
  if (json) {
    const fields = error instanceof MillraceError ? { code: error.code, ...error.context } : { code: 'ERR_INTERNAL' };
    const message = error instanceof MillraceError ? error.message : String(error);
    process.stdout.write(`${JSON.stringify({ event: 'error', ...fields, message })}\n`);
    return;
  }
  if (error instanceof MillraceError) {
    process.stderr.write(`millrace: ${error.message}\n`);
  } else {
    process.stderr.write(
      `millrace: this is a bug, please report it: ${error instanceof Error ? String(error.stack) : String(error)}\n`,
    );
  }
}

/** A flag that holds a whole number of `[min, max]`. */
export function integerFlag(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const error = `expected a whole number ${max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `of [${min}, ${max}]`}`;
  return z
    .string({ error })
    .regex(/^-?\d+$/, { error })
    .transform(Number)
    .pipe(z.int({ error }).min(min, { error }).max(max, { error }));
}

/** A flag that holds a number of `[min, max]`. */
export function numberFlag(min: number, max: number) {
  const error = `expected a number of [${min}, ${max}]`;
  return z
    .string({ error })
    .regex(/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i, { error })
    .transform(Number)
    .pipe(z.number({ error }).min(min, { error }).max(max, { error }));
}

/** A field of the options as the user writes it: `--shard-samples`. */
export function flagName(field: string): string {
  return `--${kebabCase(field)}`;
}

function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
