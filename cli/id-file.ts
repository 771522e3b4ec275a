/** Files of sample ids: one a line. */
import { readFile } from 'node:fs/promises';
import { messageOf, UsageError } from '../lib/core/errors.js';

/** Throws UsageError naming the flag, and the line that holds no id. Empty lines are left out. */
export async function readIds(flag: string, path: string): Promise<number[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new UsageError(flag, `${flag}: cannot read ${path}: ${messageOf(error)}`, { cause: error });
  });
  const ids: number[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const word = line.trim();
    if (word === '') continue;
    if (!/^\d{1,13}$/.test(word)) {
      throw new UsageError(flag, `${flag}: ${path}, line ${index + 1}: expected a sample id, got "${word}"`);
    }
    ids.push(Number(word));
  }
  if (ids.length === 0) throw new UsageError(flag, `${flag}: ${path} holds no sample id`);
  return ids;
}
