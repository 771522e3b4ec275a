/** The journals of a part as long as this process has it, and how it finds out that it has it no more. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { MillraceError } from '../../lib/core/errors.js';
import { journalPath, openLiveJournal, writeJournal, type Journal, type LiveJournal } from './journal.js';

/** What a journal says of the part itself. */
export type JournalState = Omit<Journal, 'formatVersion' | 'owner'>;

export class PartJournal {
  readonly #partPath: string;
  readonly #live: LiveJournal | undefined;
  #owner = randomUUID();

  private constructor(partPath: string, live: LiveJournal | undefined) {
    this.#partPath = partPath;
    this.#live = live;
  }

  /** The journal of an earlier process has to be read before. Close it in the end. */
  static async open(partPath: string): Promise<PartJournal> {
    return new PartJournal(partPath, await openLiveJournal(partPath));
  }

  /** Makes the part this process's own, in that state: whoever else has it open will find out. Throws ERR_DISK. */
  async take(state: JournalState): Promise<void> {
    this.#owner = randomUUID();
    await writeJournal(this.#partPath, this.#journal(state));
  }

  /** The caller has flushed the ranges that `state` names. Throws ERR_DISK, ERR_LOCKED. */
  async flush(state: JournalState): Promise<void> {
    this.requireOwnership();
    await writeJournal(this.#partPath, this.#journal(state));
  }

  /** Says what has been written. It is no promise: that it fails costs nothing but what it says. */
  writeLive(state: JournalState): void {
    this.#live?.write(this.#journal(state));
  }

  /**
   * The lock should keep others away; where locks do not work (network file systems), this does. Throws ERR_LOCKED when another
   * process has taken the part.
   */
  requireOwnership(): void {
    let text = '';
    try {
      // Of a few hundred bytes, before each half megabyte: waiting for the thread pool would take longer.
      text = readFileSync(journalPath(this.#partPath), 'utf8');
    } catch {
      // Gone: whoever took the part over is done with it.
    }
    if (!text.includes(this.#owner)) throw lostError(this.#partPath);
  }

  async close(): Promise<void> {
    await this.#live?.close();
  }

  #journal(state: JournalState): Journal {
    return { formatVersion: 2, owner: this.#owner, ...state };
  }
}

/** ERR_LOCKED for a part that another process has taken. */
export function lostError(partPath: string): MillraceError {
  return new MillraceError(
    'ERR_LOCKED',
    `${partPath} was taken over by another process; wait for it, then run the same command again`,
    { context: { path: partPath } },
  );
}
