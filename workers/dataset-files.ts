/** The files of a dataset under `<root>/archives`: opened, read, and told of (length, MD5) for the manifest. */
import { stat } from 'node:fs/promises';
import { codeOf, MillraceError } from '../lib/core/errors.js';
import type { Reporter } from '../lib/platform/progress.js';
import { archivePath } from '../lib/platform/root-layout.js';
import { md5OfFile, openArchive, type ArchiveWork, type IndexedArchive } from '../lib/archives/archive.js';
import type { ArchiveLayout } from '../lib/archives/tar-index.js';
import { readText } from '../lib/archives/text-member.js';
import type { Dataset, TextSource } from '../lib/catalog/dataset-schema.js';

/** What the manifest says of a file that a split was made from. */
export interface FileFacts {
  readonly file: string;
  readonly bytes: number;
  readonly md5: string;
}

const WORK_STAGES: Readonly<Record<ArchiveWork, string>> = {
  unpack: 'unpack',
  index: 'index',
  md5: 'digest',
};

/** All methods throw ERR_NOT_FOUND, saying what to run, when the file is not there, and ERR_VERIFICATION when its length is not the catalog's. */
export class DatasetFiles {
  constructor(
    private readonly root: string,
    private readonly dataset: Dataset,
    private readonly reporter: Reporter,
    private readonly signal: AbortSignal,
  ) {}

  /** Opens an archive of images. The catalog's MD5 is taken as read: the downloader lets no file pass that has another one. */
  async openArchive(file: string, layout: ArchiveLayout): Promise<IndexedArchive> {
    const path = await this.path(file);
    return openArchive(path, layout, {
      md5: this.knownMd5(file),
      signal: this.signal,
      onProgress: (work, done, total) => {
        this.reporter.progress({ stage: `${WORK_STAGES[work]} ${file}`, unit: 'bytes', done, total });
      },
    });
  }

  async readText({ archive, member }: TextSource): Promise<string> {
    return readText(await this.path(archive), member);
  }

  async facts(file: string): Promise<FileFacts> {
    const path = await this.path(file);
    const md5 = this.knownMd5(file) ?? (await md5OfFile(path, { signal: this.signal }));
    return { file, bytes: (await stat(path)).size, md5 };
  }

  /** Whether the file has been fetched or placed; its length is not looked at. */
  async has(file: string): Promise<boolean> {
    return (await this.length(file)) !== undefined;
  }

  private knownMd5(file: string): string | undefined {
    return this.dataset.archives.find((archive) => archive.file === file)?.md5;
  }

  private async length(file: string): Promise<number | undefined> {
    try {
      return (await stat(archivePath(this.root, file))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Where the file is. */
  async path(file: string): Promise<string> {
    const path = archivePath(this.root, file);
    const archive = this.dataset.archives.find((candidate) => candidate.file === file);
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
