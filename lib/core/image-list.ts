/**
 * Caffe's list files: one `<name> <label>` a line. Parsed as Caffe's convert_imageset does it: the last space separates, so
 * names may hold spaces; the label is what C's atoi makes of the rest, so a carriage return does no harm and "abc" is 0.
 */
export interface ListEntry {
  readonly name: string;
  readonly label: number;
}

export function parseListLine(line: string): ListEntry {
  const separator = line.lastIndexOf(' ');
  return separator < 0
    ? { name: line, label: atoi(line) }
    : { name: line.slice(0, separator), label: atoi(line.slice(separator + 1)) };
}

/** Every line, blank ones included (their name is empty, hence unreadable, as in Caffe); only the end of the last line is none. */
export function parseList(text: string): ListEntry[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map(parseListLine);
}

/** C's atoi, clamped to 32 bits: optional space and sign, then digits; 0 when there are none. */
function atoi(text: string): number {
  const match = /^\s*([+-]?\d+)/.exec(text);
  if (match === null) return 0;
  return Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), Number(match[1])));
}

/** One `<id> <words>` a line, or the id alone (Caffe's synset_words.txt and synsets.txt); the line number is the label. */
export function parseClassNames(text: string): { id: string; name: string }[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const separator = line.indexOf(' ');
      return separator < 0
        ? { id: line, name: line }
        : { id: line.slice(0, separator), name: line.slice(separator + 1).trim() };
    });
}

/** A record's key: `%08d_<name>`, the number being the line's index, so that LMDB's order is the list's. */
export function recordKey(index: number, name: string): string {
  return `${String(index).padStart(8, '0')}_${name}`;
}
