/** What a bench prints and keeps: a table with the machine it was measured on. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lib/platform/package-root.js';

export interface BenchReport {
  /** File name under bench/results, without ending. */
  readonly name: string;
  readonly title: string;
  /** What was done, and how to read the figures. */
  readonly notes: readonly string[];
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** Prints a report and writes it to bench/results. */
export function publish(report: BenchReport): void {
  const cells = [report.columns, ...report.rows.map((row) => row.map(String))];
  const widths = report.columns.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const text = [
    `# ${report.title}`,
    '',
    `${new Date().toISOString().slice(0, 10)}, ${cpus().length} × ${cpus()[0].model.trim()}, Node ${process.versions.node}`,
    '',
    ...report.notes,
    '',
    line(cells[0]),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...cells.slice(1).map(line),
    '',
  ].join('\n');
  console.log(text);
  const folder = join(packageRoot(), 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${report.name}.md`), text);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
