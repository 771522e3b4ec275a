/** One archive from its web sources to its place: the part, the proof, and the rename. */
import { rm } from 'node:fs/promises';
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { commitRename } from '../../lib/platform/atomic-file.js';
import type { FileDigest } from '../../lib/platform/known-digest.js';
import { formatBytes, type Reporter } from '../../lib/platform/progress.js';
import { differenceOf, lastCorruptCopy, setAside } from './corrupt-copy.js';
import { digestNamesOf, digestProblem, hasDigest, verificationError } from './expected-digest.js';
import type { HttpOptions } from './http-get.js';
import type { TransferTally } from './intake.js';
import { readJournal, removeJournals } from './journal.js';
import { PartFile } from './part-file.js';
import type { RateLimit } from './rate-limit.js';
import { SourcePool } from './source-pool.js';
import { displayUrl, sourceKey } from './source-url.js';
import type { SpaceLedger } from './space-ledger.js';
import { transfer } from './transfer.js';

export interface FetchContext extends HttpOptions {
  readonly reporter: Reporter;
  readonly rateLimit: RateLimit | undefined;
  readonly space: SpaceLedger;
  readonly tally: TransferTally;
  /** Called as bytes come or are checked; `detail` says which when it is not a transfer. */
  readonly onBytes: (done: number, total: number | undefined, detail?: string) => void;
  /** Called when an exchange broke. */
  readonly onRetry: () => void;
}

/**
 * Fetches `archive` to `target` from all of `urls` together, or one after the other where no digest would prove what was joined.
 * Bytes of several sources that are not the file together are fetched again from each alone, until one gives the file or all are
 * found wrong. Throws ERR_VERIFICATION and what {@link transfer} throws.
 */
export async function fetchArchive(
  archive: Archive,
  urls: readonly string[],
  target: string,
  context: FetchContext,
): Promise<FileDigest> {
  let candidates = await partSourceFirst(urls, partPathOf(target));
  let isAlone = false;
  while (true) {
    const outcome = await fetchOnce(archive, isAlone ? candidates.slice(0, 1) : candidates, target, context);
    if (outcome.problem === undefined) {
      await compareWithCorrupt(archive, target, context);
      return outcome.found;
    }
    const { contributors, aside, problem, found } = outcome;
    // A source that gave all of it is convicted; when there were several, nobody knows which one it was.
    if (contributors.size === 1) candidates = candidates.filter((url) => !contributors.has(sourceKey(url)));
    isAlone = true;
    const from = [...contributors].map((key) => key.split('#')[0]).join(', ');
    const whatToDo =
      candidates.length > 0
        ? `It was set aside as ${aside}; going on with ${displayUrl(candidates[0])} alone`
        : `It was set aside as ${aside}; run the same command again to fetch it anew, or use another source`;
    const error = verificationError(archive, found, `${problem} from ${from}`, whatToDo);
    if (candidates.length === 0) throw error;
    context.reporter.event('source-failed', error.message, {
      file: archive.file,
      code: error.code,
      message: error.message,
    });
  }
}

/** Removes what a transfer to `target` left, once the archive is in its place. */
export async function removePart(target: string): Promise<void> {
  await rm(partPathOf(target), { force: true });
  await removeJournals(partPathOf(target));
}

function partPathOf(target: string): string {
  return `${target}.part`;
}

/** The source of a part at hand goes first, so that the part is not lost for nothing. */
async function partSourceFirst(urls: readonly string[], partPath: string): Promise<string[]> {
  const begunWith = (await readJournal(partPath))?.source;
  return urls.toSorted((a, b) => Number(sourceKey(b) === begunWith) - Number(sourceKey(a) === begunWith));
}

type Outcome =
  | { readonly problem: undefined; readonly found: FileDigest }
  | {
      readonly problem: string;
      readonly found: FileDigest;
      readonly contributors: ReadonlySet<string>;
      readonly aside: string;
    };

async function fetchOnce(
  archive: Archive,
  urls: readonly string[],
  target: string,
  context: FetchContext,
): Promise<Outcome> {
  const { file } = archive;
  const { reporter, transfer: limits, space } = context;
  const partPath = partPathOf(target);
  const part = await PartFile.open(partPath, {
    ...limits,
    digestNames: digestNamesOf(archive),
    onDiscard: (reason) => reporter.event('restarted', `${file}: starting over: ${reason}`, { file, reason }),
  });
  let found: FileDigest;
  try {
    context.onBytes(part.ranges.numBytes, part.source?.totalBytes ?? archive.bytes);
    const sources = new SourcePool({
      ...{ file, urls, limits, reporter, canMix: hasDigest(archive) },
      onRetry: context.onRetry,
    });
    await transfer(part, { ...context, archive, sources });
    found = await part.finish();
  } finally {
    space.release(partPath);
    await part.close();
  }
  const problem = digestProblem(archive, found);
  if (problem === undefined) {
    await commitRename(partPath, target);
    return { problem, found };
  }
  const aside = await setAside(partPath, target);
  await removeJournals(partPath);
  return { problem, found, contributors: part.contributors, aside };
}

/** Says where an earlier file that was wrong differs from the one that is right. It costs a second reading, and saves a guess. */
async function compareWithCorrupt(archive: Archive, target: string, context: FetchContext): Promise<void> {
  const aside = await lastCorruptCopy(target);
  if (aside === undefined || !hasDigest(archive)) return;
  const { file } = archive;
  const { ranges, bytes } = await differenceOf(target, aside, context.signal, (done) =>
    context.onBytes(done, archive.bytes, `comparing ${file}`),
  );
  const places = ranges.slice(0, 10).map(([begin, end]) => `${begin}-${end - 1}`);
  if (ranges.length > places.length) places.push(`and ${ranges.length - places.length} more`);
  const text = `${file}: ${aside} (${formatBytes(bytes[1])}) differs from the right file in bytes ${places.join(', ')}`;
  context.reporter.event('corrupt-compared', text, { file, path: aside, ranges });
}
