/** Whether the two sources of ILSVRC's validation labels agree: the development kit's ground truth, and Caffe's list. */
import type { ListEntry } from '../core/image-list.js';
import type { DevelopmentKit } from './development-kit.js';

export interface LabelSources {
  readonly kit: DevelopmentKit;
  readonly list: readonly ListEntry[];
  /** By label; empty when nothing names the classes. */
  readonly classes: readonly { readonly id: string }[];
}

/** One line for each disagreement, naming image or class and what either source says. None: the sources agree. */
export function compareLabelSources({ kit, list, classes }: LabelSources): string[] {
  // A label is a class's place among the WordNet ids in ASCII order; that is how Caffe's lists were made.
  const wnids = kit.synsets.filter(({ isLeaf }) => isLeaf).map(({ wnid }) => wnid);
  wnids.sort(byAscii);
  const labelOfWnid = new Map(wnids.map((wnid, label) => [wnid, label]));
  const wnidOfId = new Map(kit.synsets.map(({ id, wnid }) => [id, wnid]));
  return [
    ...compareClasses(wnids, classes),
    ...compareLengths(kit.groundTruth, list),
    // The kit's lines are in the order of the names, whatever the order of the list.
    ...[...list]
      .sort((a, b) => byAscii(a.name, b.name))
      .slice(0, kit.groundTruth.length)
      .flatMap(({ name, label }, line) => {
        const id = kit.groundTruth[line];
        const wnid = wnidOfId.get(id);
        const expected = wnid === undefined ? undefined : labelOfWnid.get(wnid);
        if (expected === label) return [];
        const meaning = expected === undefined ? 'which is no class' : `${wnid}, hence label ${expected}`;
        return [`${name}: the list says label ${label}, the ground truth (line ${line + 1}) ID ${id}, ${meaning}`];
      }),
  ];
}

function compareClasses(wnids: readonly string[], classes: LabelSources['classes']): string[] {
  if (classes.length === 0) return [];
  const length = Math.max(wnids.length, classes.length);
  return Array.from({ length }, (_, label) => [classes.at(label)?.id, wnids.at(label)]).flatMap(
    ([named, wnid], label) =>
      named === wnid
        ? []
        : [`label ${label}: the class names say ${named ?? 'nothing'}, the synsets ${wnid ?? 'nothing'}`],
  );
}

function compareLengths(groundTruth: readonly number[], list: readonly ListEntry[]): string[] {
  const problems: string[] = [];
  if (groundTruth.length !== list.length) {
    problems.push(`the list has ${list.length} images, the ground truth ${groundTruth.length}`);
  }
  const numNames = new Set(list.map(({ name }) => name)).size;
  if (numNames !== list.length) problems.push(`the list names ${list.length - numNames} images more than once`);
  return problems;
}

function byAscii(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
