/** Flags as Caffe's tools (gflags) take them: one dash or two, `--name=value`, `--noname` for a false one. */
import type { Command } from 'commander';

/**
 * Lets a command take its flags in all spellings of gflags.
 *
 * @param booleans names of the flags that hold true or false
 */
export function acceptGflags(command: Command, booleans: readonly string[]): Command {
  const parse = command.parseOptions.bind(command);
  command.parseOptions = (argv) => parse(argv.flatMap((argument) => toCommanderForm(argument, booleans)));
  return command;
}

/** One argument as commander takes it; none when it says that a flag is false, which all are by default. */
export function toCommanderForm(argument: string, booleans: readonly string[]): string[] {
  const match = /^--?([A-Za-z][A-Za-z_-]+)(=.*)?$/s.exec(argument);
  if (match === null) return [argument];
  const [, name, value = ''] = match;
  if (booleans.includes(name)) return /^=(false|f|no|n|0)$/i.test(value) ? [] : [`--${name}`];
  if (name.startsWith('no') && booleans.includes(name.slice(2))) return [];
  return [`--${name}${value}`];
}
