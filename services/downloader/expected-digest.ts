/** What the catalog says of an archive's bytes, and what a file has to say to that. */
import type { Archive } from '../../lib/catalog/dataset-schema.js';
import { MillraceError } from '../../lib/core/errors.js';
import { DIGEST_NAMES, type DigestName, type Digests } from '../../lib/platform/known-digest.js';

/** Length in bytes and digests of a file, as far as they have been found. */
export interface FoundDigest extends Digests {
  readonly bytes: number;
}

/** The digests to make of an archive: MD5 always, and those that the catalog has. */
export function digestNamesOf(archive: Archive): DigestName[] {
  return DIGEST_NAMES.filter((name) => name === 'md5' || archive[name] !== undefined);
}

/** Whether there is a digest to prove the archive by. */
export function hasDigest(archive: Archive): boolean {
  return DIGEST_NAMES.some((name) => archive[name] !== undefined);
}

const LABELS: Record<DigestName, string> = { md5: 'MD5', sha1: 'SHA-1', sha256: 'SHA-256' };

/** The MD5 of a file that fits, and which digests say so, for people. */
export function proofText(archive: Archive, md5: string): string {
  if (!hasDigest(archive)) return `MD5 ${md5} (none is known to compare with)`;
  const others = DIGEST_NAMES.filter((name) => name !== 'md5' && archive[name] !== undefined).map(
    (name) => LABELS[name],
  );
  if (archive.md5 === undefined) return `${others.join(' and ')} verified, MD5 ${md5}`;
  return [`MD5 ${md5}`, ...others].join(' and ') + ' verified';
}

/** What was expected and what was found, for people; undefined when nothing that was found speaks against the archive. */
export function digestProblem(archive: Archive, found: FoundDigest): string | undefined {
  const problems: string[] = [];
  if (archive.bytes !== undefined && archive.bytes !== found.bytes) {
    problems.push(`expected ${archive.bytes} bytes, found ${found.bytes}`);
  }
  for (const name of DIGEST_NAMES) {
    const [expected, actual] = [archive[name], found[name]];
    if (expected !== undefined && actual !== undefined && expected !== actual) {
      problems.push(`expected ${LABELS[name]} ${expected}, found ${actual}`);
    }
  }
  return problems.length === 0 ? undefined : problems.join('; ');
}

/** Whether every digest that the catalog has was found. */
export function isProof(archive: Archive, found: FoundDigest): boolean {
  return digestNamesOf(archive).every((name) => found[name] !== undefined);
}

/** ERR_VERIFICATION for the file that was found wrong; `whatToDo` ends the message. */
export function verificationError(
  archive: Archive,
  found: FoundDigest,
  problem: string,
  whatToDo: string,
): MillraceError {
  return new MillraceError('ERR_VERIFICATION', `${archive.file}: ${problem}. ${whatToDo}`, {
    context: {
      file: archive.file,
      expectedBytes: archive.bytes ?? null,
      foundBytes: found.bytes,
      expectedMd5: archive.md5 ?? null,
      foundMd5: found.md5 ?? null,
    },
  });
}
