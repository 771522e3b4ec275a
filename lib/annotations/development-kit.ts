/** ILSVRC's development kit of tasks 1 and 2: which synsets there are, and which one each validation image shows. */
import { membersOf } from '../archives/members.js';
import { messageOf, MillraceError } from '../core/errors.js';
import { readMatVariable, type MatValue } from './mat-file.js';

export interface Synset {
  /** ILSVRC2012_ID, the kit's own number, from 1. It is no label. */
  readonly id: number;
  /** WordNet's id, `n01440764`. */
  readonly wnid: string;
  /** A class of the challenge; the others are ancestors of such. */
  readonly isLeaf: boolean;
}

export interface DevelopmentKit {
  readonly synsets: readonly Synset[];
  /** ID of each validation image, in the ascending order of their names. */
  readonly groundTruth: readonly number[];
}

const META = 'data/meta.mat';
const GROUND_TRUTH = 'data/ILSVRC2012_validation_ground_truth.txt';

/**
 * Reads the kit as it is published, a gzipped tar; the folder in it may have any name.
 * Throws ERR_NOT_FOUND when it lacks one of the two files, ERR_VERIFICATION when one is not what it should be,
 * ERR_ARCHIVE_CORRUPT when the archive cannot be read.
 */
export async function readDevelopmentKit(path: string): Promise<DevelopmentKit> {
  const files = new Map<string, Buffer>();
  for await (const { name, read } of membersOf(path)) {
    const wanted = [META, GROUND_TRUTH].find((file) => name === file || name.endsWith(`/${file}`));
    if (wanted !== undefined) files.set(wanted, await read());
  }
  const parse = <T>(file: string, parser: (bytes: Buffer) => T): T => {
    const bytes = files.get(file);
    const context = { path, member: file };
    if (bytes === undefined) throw new MillraceError('ERR_NOT_FOUND', `${path} has no member "${file}"`, { context });
    try {
      return parser(bytes);
    } catch (error) {
      throw new MillraceError('ERR_VERIFICATION', `${path}: ${file}: ${messageOf(error)}`, { cause: error, context });
    }
  };
  return { synsets: parse(META, parseSynsets), groundTruth: parse(GROUND_TRUTH, parseGroundTruth) };
}

/** The synsets of a meta.mat. Throws SyntaxError when it is not one. */
export function parseSynsets(file: Buffer): Synset[] {
  const variable = readMatVariable(file, 'synsets');
  if (typeof variable === 'string' || Array.isArray(variable) || variable.kind !== 'structs') {
    throw new SyntaxError('expected "synsets" to be structs');
  }
  return variable.structs.map((fields) => ({
    id: numberOf(fields, 'ILSVRC2012_ID'),
    wnid: textOf(fields, 'WNID'),
    isLeaf: numberOf(fields, 'num_children') === 0,
  }));
}

/** One ID a line. Throws SyntaxError naming the line that holds something else. */
export function parseGroundTruth(file: Buffer): number[] {
  const lines = file.toString('latin1').trimEnd().split(/\r?\n/);
  return lines.map((line, index) => {
    if (!/^\s*\d+\s*$/.test(line)) throw new SyntaxError(`line ${index + 1}: expected a number, got "${line}"`);
    return Number(line);
  });
}

function numberOf(fields: ReadonlyMap<string, MatValue>, name: string): number {
  const value = fields.get(name);
  if (!Array.isArray(value) || value.length !== 1)
    throw new SyntaxError(`expected a number in "${name}" of each synset`);
  return value[0];
}

function textOf(fields: ReadonlyMap<string, MatValue>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== 'string') throw new SyntaxError(`expected text in "${name}" of each synset`);
  return value;
}
