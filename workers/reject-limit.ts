/** How many images may be left out before a run is stopped: a few bad ones are life, many mean a wrong archive or list. */
import { MillraceError } from '../lib/core/errors.js';
import type { Rejected } from '../lib/shards/shard-record.js';

/** A share of the records, but at least a count of them. */
export interface RejectLimit {
  /** In `[0, 1]`. */
  readonly share: number;
  readonly atLeast: number;
}

export const DEFAULT_REJECT_LIMIT: RejectLimit = { share: 0.001, atLeast: 10 };

const NUM_SHOWN = 5;

export class RejectCounter {
  /** By key: a shard that is begun again rejects the same records again. */
  private readonly rejected = new Map<string, Rejected>();
  private readonly limit: number;

  constructor(
    private readonly numRecords: number,
    limit: RejectLimit,
  ) {
    this.limit = Math.max(limit.atLeast, Math.floor(limit.share * numRecords));
  }

  /** Throws ERR_TOO_MANY_REJECTED, with the first reasons, when the limit is passed, or no record is left. */
  add(rejected: Rejected): void {
    this.rejected.set(rejected.key, rejected);
    const count = this.rejected.size;
    if (count <= this.limit && count < this.numRecords) return;
    const [what, orElse] =
      count > this.limit
        ? [`more than --max-rejected allows (${this.limit})`, ', or raise --max-rejected']
        : ['so that nothing is left', ''];
    const shown = [...this.rejected.values()].slice(0, NUM_SHOWN).map(({ key, reason }) => `  ${key}: ${reason}`);
    throw new MillraceError(
      'ERR_TOO_MANY_REJECTED',
      `${count} of ${this.numRecords} images cannot be used, ${what}:\n${shown.join('\n')}\n` +
        `check the archive and the label list${orElse}`,
      { context: { rejected: count, limit: this.limit, records: this.numRecords } },
    );
  }
}
