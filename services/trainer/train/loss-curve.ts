/** A curve for the terminal: the mean of each of `width` equal parts of the values, on `height` lines with the scale before them. */
export function drawCurve(values: readonly number[], { width = 64, height = 8 } = {}): string {
  if (values.length === 0) return '';
  const numColumns = Math.min(width, values.length);
  const columns = Array.from({ length: numColumns }, (_, column) => {
    const begin = Math.floor((column * values.length) / numColumns);
    const end = Math.floor(((column + 1) * values.length) / numColumns);
    const part = values.slice(begin, end);
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const lowest = Math.min(...columns);
  const highest = Math.max(...columns);
  const lineOf = (value: number): number =>
    highest === lowest ? 0 : Math.round(((highest - value) / (highest - lowest)) * (height - 1));
  const lines = Array.from({ length: highest === lowest ? 1 : height }, (_, line) => {
    const mark = line === 0 ? highest : line === height - 1 ? lowest : undefined;
    const label = (mark?.toFixed(3) ?? '').padStart(8);
    return `${label} ┤${columns.map((value) => (lineOf(value) === line ? '•' : ' ')).join('')}`.trimEnd();
  });
  return lines.join('\n');
}
