import type { Command } from 'commander';
import { appendFile } from 'node:fs/promises';
import { z } from 'zod';
import { toDiskError } from '../../lib/platform/system-error.js';
import { createToken, isTokenName } from '../../lib/rpc/token-file.js';
import { defineCommand, integerFlag } from '../command.js';

/** `millrace token new <name>`: a bearer token, and the line that lets it in. */
export function addTokenCommand(program: Command): void {
  const token = program.command('token').description('who may call a server');
  defineCommand(token, {
    usage: 'new <name>',
    summary: 'make a token; only its hash is kept, in the file that a server reads with --tokens',
    examples: [
      'millrace token new trainer-a --tokens tokens.txt > trainer-a.token   # adds the line; the token is for the trainer',
      'millrace token new guest --streams 2 --bytes-per-second 50000000     # prints both',
    ],
    flags: (command) =>
      command
        .option('--tokens <file>', 'add the line to this file, made if need be, and print the token alone')
        .option('--streams <count>', 'streams that it may have at a time (default: any number)')
        .option('--bytes-per-second <count>', 'bytes a second that its streams get together (default: no limit)'),
    schema: z.object({
      name: z.string().refine(isTokenName, 'expected letters, digits and . _ @ -, a letter or digit first'),
      tokens: z.string().min(1).optional(),
      streams: integerFlag(1, 1_000_000).optional(),
      bytesPerSecond: integerFlag(1, 1e14).optional(),
    }),
    async action({ name, tokens, streams, bytesPerSecond }, { result }) {
      const { token, line } = createToken(name, { maxStreams: streams, bytesPerSecond });
      if (tokens === undefined) {
        result({ name, token, line }, `token for the client:       ${token}\nline for the server's file: ${line}`);
        return;
      }
      try {
        await appendFile(tokens, `${line}\n`, { mode: 0o600 });
      } catch (error) {
        throw toDiskError(error, tokens);
      }
      result({ name, token, line }, token);
    },
  });
}
