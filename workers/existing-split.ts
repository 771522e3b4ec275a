/** What to do with a split that is finished already: nothing when it is the one that is asked for, refuse when it is another. */
import { MillraceError } from '../lib/core/errors.js';
import { readManifest, type AnyManifest } from '../lib/shards/manifest.js';
import type { SplitPlan } from './plan.js';

/**
 * The manifest of the split in `folder`; undefined when it is not finished.
 * Throws ERR_OPTIONS_DIFFER, showing each difference, when it was made from other files or with other options.
 */
export async function findExistingSplit(folder: string, plan: SplitPlan): Promise<AnyManifest | undefined> {
  const manifest = await readManifest(folder);
  if (manifest === undefined) return undefined;
  const onDisk = factsOf(manifest.options, manifest.source.archives);
  const asked = factsOf(plan.options, plan.source.files);
  const names = [...new Set([...onDisk.keys(), ...asked.keys()])];
  const differences = names
    .map((name): Row => [name, onDisk.get(name) ?? 'none', asked.get(name) ?? 'none'])
    .filter(([, there, here]) => there !== here);
  if (differences.length === 0) return manifest;
  throw new MillraceError(
    'ERR_OPTIONS_DIFFER',
    `${folder} was made differently:\n${tableOf([['', 'on disk', 'asked'], ...differences])}\n` +
      'ask for the same, remove the folder, or choose another name with --as',
    { context: { path: folder, differences: differences.map(([name]) => name).join(',') } },
  );
}

type Row = readonly [name: string, onDisk: string, asked: string];

function tableOf(rows: readonly Row[]): string {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map(([name, onDisk, asked]) => `  ${name.padEnd(widths[0])}  ${onDisk.padEnd(widths[1])}  ${asked}`)
    .join('\n');
}

function factsOf(
  options: AnyManifest['options'],
  files: readonly AnyManifest['source']['archives'][number][],
): Map<string, string> {
  return new Map([
    // An option that is undefined is as good as one that is not there.
    ...Object.entries(options).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, String(value)]],
    ),
    ...files.map(({ file, md5 }): [string, string] => [file, `MD5 ${md5}`]),
  ]);
}
