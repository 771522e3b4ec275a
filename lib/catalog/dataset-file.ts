/** A dataset that a user describes in a JSON or YAML file of their own. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { messageOf, MillraceError, UsageError } from '../core/errors.js';
import { datasetSchema, type Dataset } from './dataset-schema.js';

/** Reads a dataset file; folders that it names relatively lie beside it. Throws ERR_NOT_FOUND when there is none, and as {@link parseDataset}. */
export async function readDatasetFile(path: string): Promise<Dataset> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new MillraceError('ERR_NOT_FOUND', `cannot read the dataset file ${path}: ${messageOf(error)}`, {
      cause: error,
      context: { path },
    });
  }
  const dataset = parseDataset(text, path);
  const archives = dataset.archives.map((archive) =>
    archive.folder === undefined ? archive : { ...archive, folder: resolve(dirname(path), archive.folder) },
  );
  return { ...dataset, archives };
}

/**
 * Parses a dataset file's text (YAML, of which JSON is a part). Throws UsageError naming file, line and field of everything that
 * does not fit.
 */
export function parseDataset(text: string, path: string): Dataset {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  let value: unknown;
  try {
    if (document.errors.length > 0) throw document.errors[0];
    value = document.toJS();
  } catch (error) {
    throw new UsageError('dataset', `${path} is neither JSON nor YAML: ${messageOf(error)}`, { cause: error });
  }
  const parsed = datasetSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path: field, message, ...issue }) => {
    const line = lineOf(document, lines, field);
    const what = isMissing(document, field) && issue.code !== 'custom' ? 'this field is missing' : message;
    return `  ${path}:${line}: ${field.join('.') || '(top)'}: ${what}`;
  });
  throw new UsageError(
    'dataset',
    `${path} does not describe a dataset ("millrace catalog schema" shows what does):\n${problems.join('\n')}`,
  );
}

type FieldPath = z.core.$ZodIssue['path'];

function isMissing(document: Document, field: FieldPath): boolean {
  return field.length > 0 && !document.hasIn(field);
}

/** The line, from 1, of a field, or of the innermost of its parents that is there. */
function lineOf(document: Document, lines: LineCounter, field: FieldPath): number {
  for (let length = field.length; length >= 0; length--) {
    const node: unknown = document.getIn(field.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
