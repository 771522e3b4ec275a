/** An Add request, checked and turned into the archives that it means. */
import { catalogEntries } from '../../../lib/catalog/catalog.js';
import { parseDataset } from '../../../lib/catalog/dataset-file.js';
import { datasetSchema, type Archive, type Dataset } from '../../../lib/catalog/dataset-schema.js';
import { UsageError } from '../../../lib/core/errors.js';
import type { AddRequest } from '../../../protos/gen/millrace/v1/download.js';
import { selectArchives } from '../download-dataset.js';
import { fileNameOf } from '../source-url.js';

/** Throws UsageError naming the field. */
export function archivesOf(request: AddRequest): Archive[] {
  const archives = request.url === undefined ? archivesOfDataset(request) : [archiveOfUrl(request.url, request)];
  if (archives.length === 0) throw new UsageError('files', 'files: no archive of the dataset is meant; name one');
  for (const { file, urls } of archives) {
    // Whoever may call this service may not therefore read what lies on its machine.
    const local = urls.find((url) => !isHttp(url));
    if (local !== undefined) throw new UsageError('urls', `urls: ${file} comes from ${local}, expected http or https`);
  }
  return archives;
}

function archivesOfDataset(request: AddRequest): Archive[] {
  const dataset = datasetOf(request);
  if (request.md5 !== '') {
    throw new UsageError('md5', 'md5: goes with url; the digests of a dataset stand in its own description');
  }
  const unknown = request.files.find((name) => !dataset.archives.some(({ file }) => file === name));
  if (unknown !== undefined) {
    const names = dataset.archives.map(({ file }) => file).join(', ');
    throw new UsageError('files', `files: ${dataset.name} has no archive "${unknown}"; it has ${names}`);
  }
  const { baseUrl } = request;
  if (baseUrl !== '' && !isHttp(baseUrl)) {
    throw new UsageError('base_url', `base_url: expected an http or https URL, got "${baseUrl}"`);
  }
  return selectArchives(dataset, {
    files: request.files.length === 0 ? undefined : request.files,
    includeOptional: request.includeOptional,
    baseUrl: baseUrl === '' ? undefined : baseUrl,
  });
}

function datasetOf({ dataset: name, datasetJson }: AddRequest): Dataset {
  if (datasetJson !== undefined) return parseDataset(datasetJson, 'dataset_json');
  if (name === undefined) throw new UsageError('source', 'source: expected dataset, dataset_json or url');
  // Not findDataset: that would read a file of this machine when the name looks like one.
  const entries = catalogEntries();
  const entry = entries.find((dataset) => dataset.name === name);
  if (entry !== undefined) return entry;
  const known = entries.map((dataset) => dataset.name).join(', ');
  throw new UsageError(
    'dataset',
    `dataset: unknown "${name}"; expected one of ${known}, or send a description as dataset_json`,
  );
}

function archiveOfUrl(url: string, { md5, files, includeOptional, baseUrl }: AddRequest): Archive {
  if (files.length > 0 || includeOptional || baseUrl !== '') {
    throw new UsageError('url', 'url: files, include_optional and base_url go with a dataset');
  }
  const expected = 'url: expected an http or https URL whose path ends in a file name';
  // The URL itself is not said again: its query may hold a key, and what is said is logged.
  if (!isHttp(url)) throw new UsageError('url', expected);
  const archive = { file: fileNameOf(url), urls: [url], ...(md5 !== '' && { md5: md5.toLowerCase() }) };
  const parsed = datasetSchema.shape.archives.element.safeParse(archive);
  if (parsed.success) return parsed.data;
  const isMd5 = parsed.error.issues[0].path[0] === 'md5';
  if (isMd5) throw new UsageError('md5', `md5: expected 32 hex digits, got "${md5}"`);
  throw new UsageError('url', expected);
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
}
