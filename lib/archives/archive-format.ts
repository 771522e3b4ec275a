/** What kind of file an archive is. Its name says so, as it does for the tools that made it. */
export type ArchiveFormat = 'tar' | 'tar.gz' | 'zip';

/** `.zip` is a zip, `.tgz` and `.gz` are gzipped tars, anything else is taken for a tar. */
export function archiveFormatOf(path: string): ArchiveFormat {
  if (path.endsWith('.zip')) return 'zip';
  return path.endsWith('.gz') || path.endsWith('.tgz') ? 'tar.gz' : 'tar';
}
