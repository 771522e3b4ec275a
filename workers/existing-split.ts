/** What to do with a split that is finished already: nothing when it is the one that is asked for, else update or refuse it. */
import { MillraceError } from '../lib/core/errors.js';
import type { AnyManifest } from '../lib/shards/manifest.js';
import type { SplitPlan } from './plan.js';

/**
 * Whether the finished split in `folder` is what the plan makes. False, only with `mayUpdate`: it has the same options, but was made
 * from other files.
 * Throws ERR_OPTIONS_DIFFER, showing each difference, when it was made with other options; and when from other files, without
 * `mayUpdate`.
 */
export function isUpToDate(folder: string, manifest: AnyManifest, plan: SplitPlan, mayUpdate: boolean): boolean {
  const options = differencesOf(optionFacts(manifest.options), optionFacts(plan.options));
  const files = differencesOf(fileFacts(manifest.source.archives), fileFacts(plan.source.files));
  if (options.length === 0 && (files.length === 0 || mayUpdate)) return files.length === 0;
  const differences = [...options, ...files];
  throw new MillraceError(
    'ERR_OPTIONS_DIFFER',
    `${folder} was made differently:\n${tableOf([['', 'on disk', 'asked'], ...differences])}\n` +
      (options.length === 0
        ? 'bring it up to date with "millrace prepare --update", or choose another name with --as'
        : 'ask for the same, remove the folder, or choose another name with --as'),
    { context: { path: folder, differences: differences.map(([name]) => name).join(',') } },
  );
}

type Row = readonly [name: string, onDisk: string, asked: string];
type Facts = ReadonlyMap<string, string>;

function differencesOf(onDisk: Facts, asked: Facts): Row[] {
  return [...new Set([...onDisk.keys(), ...asked.keys()])]
    .map((name): Row => [name, onDisk.get(name) ?? 'none', asked.get(name) ?? 'none'])
    .filter(([, there, here]) => there !== here);
}

function tableOf(rows: readonly Row[]): string {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map(([name, onDisk, asked]) => `  ${name.padEnd(widths[0])}  ${onDisk.padEnd(widths[1])}  ${asked}`)
    .join('\n');
}

/** An option that is undefined is as good as one that is not there. */
function optionFacts(options: AnyManifest['options']): Facts {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return new Map(given.map(([name, value]) => [name, String(value)]));
}

function fileFacts(files: readonly AnyManifest['source']['archives'][number][]): Facts {
  return new Map(files.map(({ file, md5 }) => [file, `MD5 ${md5}`]));
}
