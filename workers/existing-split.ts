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
  const there = factsOf(manifest.options, manifest.source.archives);
  const asked = factsOf(plan.options, plan.source.files);
  const names = new Set([...there.keys(), ...asked.keys()]);
  const differences = [...names]
    .filter((name) => there.get(name) !== asked.get(name))
    .map((name) => `  ${name}: there ${there.get(name) ?? 'nothing'}, asked ${asked.get(name) ?? 'nothing'}`);
  if (differences.length === 0) return manifest;
  throw new MillraceError(
    'ERR_OPTIONS_DIFFER',
    `${folder} was made differently:\n${differences.join('\n')}\nask for the same, remove the folder, or choose another name with --as`,
    { context: { path: folder } },
  );
}

function factsOf(
  options: AnyManifest['options'],
  files: readonly AnyManifest['source']['archives'][number][],
): Map<string, string> {
  return new Map([
    ...Object.entries(options).map(([name, value]): [string, string] => [name, String(value)]),
    ...files.map(({ file, md5 }): [string, string] => [file, `MD5 ${md5}`]),
  ]);
}
