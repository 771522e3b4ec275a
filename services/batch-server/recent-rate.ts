/** How much a second, of late. */

const WINDOW_SECONDS = 10;

export class RecentRate {
  /** Amounts by whole second, the oldest first. */
  readonly #amounts: { readonly second: number; amount: number }[] = [];
  readonly #beganAtMs: number;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.#beganAtMs = now();
  }

  add(amount: number): void {
    const second = Math.floor(this.now() / 1000);
    const last = this.#amounts.at(-1);
    if (last?.second === second) last.amount += amount;
    else this.#amounts.push({ second, amount });
    while (this.#amounts[0].second < second - WINDOW_SECONDS) this.#amounts.shift();
  }

  /** Over the last ten seconds, or over its life while that is shorter, at least one second. */
  get perSecond(): number {
    const now = this.now();
    const seconds = Math.min(Math.max((now - this.#beganAtMs) / 1000, 1), WINDOW_SECONDS);
    const begin = Math.floor(now / 1000 - seconds);
    return this.#amounts.reduce((sum, { second, amount }) => (second >= begin ? sum + amount : sum), 0) / seconds;
  }
}
