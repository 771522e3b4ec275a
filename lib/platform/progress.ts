/**
 * How long work tells of itself: a line that redraws itself on a terminal, plain lines when piped, JSON lines with `--json`.
 * Progress goes to stderr; with `--json` everything goes to stdout, one object a line, for a program to read.
 */

export type ProgressUnit = 'bytes' | 'images' | 'steps' | 'files';

/** A snapshot of one stage of work. */
export interface Progress {
  /** What is going on, e.g. "download val.tar". */
  readonly stage: string;
  readonly unit: ProgressUnit;
  readonly done: number;
  /** Undefined when nobody knows. */
  readonly total?: number | undefined;
  /** Said at the end of the line, e.g. "loss 1.203". */
  readonly detail?: string | undefined;
  /** What it is made of, for programs: goes out with `--json` only. */
  readonly parts?: readonly ProgressPart[] | undefined;
}

/** One of several things that go on at once. */
export interface ProgressPart {
  readonly name: string;
  readonly done: number;
  readonly total: number | undefined;
  /** Per second, of late. */
  readonly rate: number;
  readonly secondsLeft: number | undefined;
  /** Tries that broke. */
  readonly numRetries: number;
}

/** Where a command reports to. */
export interface Reporter {
  /** May be called as often as one likes; it is drawn a few times a second. A stage ends when `done` reaches `total`, or with the next stage. */
  progress(progress: Progress): void;
  /** Something that happened, said once: `text` for people, `fields` for programs. */
  event(name: string, text: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Draws what is still undrawn and ends the line. */
  close(): void;
}

export interface ReporterOptions {
  readonly json: boolean;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Milliseconds of a steady clock; tests pass their own. */
  readonly now?: () => number;
}

/** What came sooner came from no work: files that were there, shards of an earlier run. */
const MIN_RATE_SECONDS = 0.2;
const REDRAW_MS = 100;
const PLAIN_LINE_MS = 2_000;
const JSON_LINE_MS = 500;

export function createReporter(options: ReporterOptions): Reporter {
  const { json, stdout, stderr, now = () => performance.now() } = options;
  const isTerminal = !json && stderr.isTTY === true;
  const intervalMs = json ? JSON_LINE_MS : isTerminal ? REDRAW_MS : PLAIN_LINE_MS;

  let current:
    { begunAtMs: number; begunAtDone: number; drawnAtMs: number; latest: Progress; isDrawn: boolean } | undefined;

  const draw = (atMs: number): void => {
    if (current === undefined) return;
    current.drawnAtMs = atMs;
    current.isDrawn = true;
    const { latest } = current;
    const seconds = (atMs - current.begunAtMs) / 1000;
    const rate = seconds >= MIN_RATE_SECONDS ? (latest.done - current.begunAtDone) / seconds : 0;
    const secondsLeft = latest.total !== undefined && rate > 0 ? (latest.total - latest.done) / rate : undefined;
    if (json) {
      stdout.write(`${JSON.stringify({ event: 'progress', ...latest, rate, secondsLeft, seconds })}\n`);
    } else if (isTerminal) {
      stderr.write(`\r\x1b[K${formatProgress(latest, rate, secondsLeft)}`);
    } else {
      stderr.write(`${formatProgress(latest, rate, secondsLeft)}\n`);
    }
  };
  const endStage = (): void => {
    if (current === undefined) return;
    if (!current.isDrawn) draw(now());
    if (isTerminal) stderr.write('\n');
    current = undefined;
  };

  return {
    progress(latest) {
      const atMs = now();
      if (current?.latest.stage !== latest.stage) {
        endStage();
        current = { begunAtMs: atMs, begunAtDone: latest.done, drawnAtMs: -Infinity, latest, isDrawn: false };
      }
      current.latest = latest;
      current.isDrawn = false;
      const isDone = latest.total !== undefined && latest.done >= latest.total;
      if (isDone || atMs - current.drawnAtMs >= intervalMs) draw(atMs);
    },
    event(name, text, fields = {}) {
      if (json) {
        stdout.write(`${JSON.stringify({ event: name, ...fields, message: text })}\n`);
        return;
      }
      if (isTerminal && current !== undefined) stderr.write('\r\x1b[K');
      stderr.write(`${text}\n`);
      if (isTerminal) draw(now());
    },
    close: endStage,
  };
}

/** One line: stage, share, amount, rate, time left, detail. */
export function formatProgress(progress: Progress, rate: number, secondsLeft: number | undefined): string {
  const { stage, unit, done, total, detail } = progress;
  const parts = [stage.padEnd(28)];
  if (total !== undefined && total > 0) parts.push(`${((done / total) * 100).toFixed(0).padStart(3)} %`);
  parts.push(
    total === undefined
      ? formatAmount(done, unit)
      : `${unit === 'bytes' ? formatBytes(done) : inThousands(done)} of ${formatAmount(total, unit)}`,
  );
  if (rate > 0) parts.push(`${formatAmount(rate, unit)}/s`);
  if (secondsLeft !== undefined && done !== total) parts.push(`${formatDuration(secondsLeft)} left`);
  if (detail !== undefined) parts.push(detail);
  return parts.join('  ');
}

/** "1.5 MB", "1,234 images". Bytes in powers of 1000, as disks and networks count. */
export function formatAmount(amount: number, unit: ProgressUnit): string {
  if (unit === 'bytes') return formatBytes(amount);
  return `${amount < 10 && amount % 1 !== 0 ? amount.toFixed(1) : inThousands(Math.round(amount))} ${unit}`;
}

/** "1 shard", "1,998 samples": a count of things whose plural ends in s. */
export function formatCount(count: number, thing: string): string {
  return `${inThousands(count)} ${thing}${count === 1 ? '' : 's'}`;
}

/** "1,234". By hand: `toLocaleString` loads the world's locales, 30 ms at the first call. */
export function inThousands(whole: number): string {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, ',');
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let index = 0;
  let amount = bytes;
  while (amount >= 1000 && index < units.length - 1) {
    amount /= 1000;
    index++;
  }
  return `${index === 0 ? Math.round(amount) : amount.toFixed(1)} ${units[index]}`;
}

/** "42 s", "3 min 20 s", "5 h 12 min". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
