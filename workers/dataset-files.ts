/** The files of a dataset under `<root>/archives`: opened, read, and told of (length, MD5) for the manifest. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { codeOf, MillraceError } from '../lib/core/errors.js';
import { digestFile, recallDigest, rememberDigest, type FileDigest } from '../lib/platform/known-digest.js';
import type { Reporter } from '../lib/platform/progress.js';
import { archivePath } from '../lib/platform/root-layout.js';
import { openArchive, type IndexedArchive } from '../lib/archives/archive.js';
import type { ArchiveLayout } from '../lib/archives/tar-index.js';
import { readText } from '../lib/archives/text-member.js';
import type { Archive, Dataset, TextSource } from '../lib/catalog/dataset-schema.js';

/** What the manifest says of a file that a split was made from, or of a folder of files. */
export interface FileFacts {
  readonly file: string;
  /** Of a folder: of all its files. */
  readonly bytes: number;
  /** Of a folder: over the names, sizes and times of change of its files. */
  readonly md5: string;
}

/** All methods throw ERR_NOT_FOUND, saying what to run, when the file is not there, and ERR_VERIFICATION when its length is not the catalog's. */
export class DatasetFiles {
  /** Folders are looked through once. */
  private readonly folders = new Map<string, IndexedArchive>();

  constructor(
    private readonly root: string,
    private readonly dataset: Dataset,
    private readonly reporter: Reporter,
    private readonly signal: AbortSignal,
  ) {}

  /** Opens an archive of images; it need not have been proved. */
  async openArchive(file: string, layout: ArchiveLayout): Promise<IndexedArchive> {
    const known = this.folders.get(file);
    if (known !== undefined) return known;
    const archive = await openArchive(await this.path(file), layout, {
      signal: this.signal,
      onProgress: (work, done, total) => {
        this.reporter.progress({ stage: `${work} ${file}`, unit: 'bytes', done, total });
      },
    });
    if (archive.isFolder) this.folders.set(file, archive);
    return archive;
  }

  async readText({ archive, member }: TextSource): Promise<string> {
    return readText(await this.path(archive), member);
  }

  /**
   * What the manifest says of a file. Its MD5 is the one that the downloader found, or is found now and remembered: a file that
   * was placed by hand is read once. Throws ERR_VERIFICATION, too, when it is not the catalog's.
   */
  async facts(file: string): Promise<FileFacts> {
    const path = await this.path(file);
    if (this.archive(file)?.folder !== undefined) return { file, ...folderFacts(await this.openArchive(file, 'flat')) };
    const { bytes, md5 } = (await recallDigest(path)) ?? (await this.findDigest(file, path));
    const expected = this.archive(file)?.md5;
    if (expected !== undefined && md5 !== expected) {
      throw new MillraceError(
        'ERR_VERIFICATION',
        `${path} has MD5 ${md5} where ${expected} is expected; remove it and run "millrace download ${this.dataset.name}"`,
        { context: { path, md5, expected } },
      );
    }
    return { file, bytes, md5 };
  }

  private async findDigest(file: string, path: string): Promise<FileDigest> {
    const { size: total } = await stat(path);
    const digest = await digestFile(path, this.signal, (done) =>
      this.reporter.progress({ stage: `verify ${file}`, unit: 'bytes', done, total }),
    );
    await rememberDigest(path, digest);
    return digest;
  }

  /** Whether the file has been fetched or placed; its length is not looked at. */
  async has(file: string): Promise<boolean> {
    return (await this.length(file)) !== undefined;
  }

  private archive(file: string): Archive | undefined {
    return this.dataset.archives.find((archive) => archive.file === file);
  }

  private async length(file: string): Promise<number | undefined> {
    try {
      return (await stat(this.archive(file)?.folder ?? archivePath(this.root, file))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Where the file is. */
  async path(file: string): Promise<string> {
    const archive = this.archive(file);
    if (archive?.folder !== undefined) return folderPath(file, archive.folder);
    const path = archivePath(this.root, file);
    const command = `millrace download ${this.dataset.name}${archive?.optional === true ? ` --only ${file}` : ''}`;
    const bytes = await this.length(file);
    if (bytes === undefined) {
      throw new MillraceError('ERR_NOT_FOUND', `${path} is not there; run "${command}" first`, { context: { path } });
    }
    const expected = archive?.bytes;
    if (expected !== undefined && bytes !== expected) {
      throw new MillraceError(
        'ERR_VERIFICATION',
        `${path} has ${bytes} bytes where ${expected} are expected; remove it and run "${command}"`,
        { context: { path, bytes, expected } },
      );
    }
    return path;
  }
}

async function folderPath(file: string, path: string): Promise<string> {
  if (
    await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
  )
    return path;
  throw new MillraceError('ERR_NOT_FOUND', `${path} is no folder, which the dataset says of its "${file}"`, {
    context: { path },
  });
}

function folderFacts({ index }: IndexedArchive): Pick<FileFacts, 'bytes' | 'md5'> {
  const listing = createHash('md5');
  let bytes = 0;
  for (let member = 0; member < index.numMembers; member++) {
    listing.update(`${index.size(member)} ${index.offset(member)} ${index.name(member)}\n`);
    bytes += index.size(member);
  }
  return { bytes, md5: listing.digest('hex') };
}
