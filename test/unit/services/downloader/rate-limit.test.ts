import assert from 'node:assert/strict';
import { createRateLimit } from '../../../../services/downloader/rate-limit.js';

describe('a rate limit', () => {
  it('holds nobody up when there is none', async () => {
    const limit = createRateLimit(undefined);
    for (let i = 0; i < 1000; i++) await limit.take(1e12);
  });

  it('takes at least the time that the bytes are worth, over all who take', async () => {
    const limit = createRateLimit(1_000_000);
    const begunAtMs = performance.now();
    // The last one goes as soon as what went before it is paid for.
    await Promise.all([0, 1, 2].map(() => limit.take(100_000)));
    assert.ok(performance.now() - begunAtMs >= 195);
  });

  it('serves those who wait in the order in which they came', async () => {
    const limit = createRateLimit(1_000_000);
    const order: number[] = [];
    await Promise.all([0, 1, 2, 3].map((who) => limit.take(10_000).then(() => order.push(who))));
    assert.deepEqual(order, [0, 1, 2, 3]);
  });

  it('can be lifted while somebody waits', async () => {
    const limit = createRateLimit(1);
    await limit.take(1_000_000);
    const waiting = limit.take(1);
    limit.setBytesPerSecond(undefined);
    await waiting;
  });

  it('can be raised while somebody waits, and set where there was none', async () => {
    const limit = createRateLimit(undefined);
    limit.setBytesPerSecond(1);
    await limit.take(1_000);
    const waiting = limit.take(1);
    limit.setBytesPerSecond(1e9);
    await waiting;
  });

  it('lets go of one who is interrupted, and of nobody else', async () => {
    const limit = createRateLimit(1);
    await limit.take(1_000);
    const controller = new AbortController();
    const interrupted = limit.take(1, controller.signal);
    const next = limit.take(1);
    controller.abort();
    await assert.rejects(interrupted, { code: 'ERR_INTERRUPTED' });
    await assert.rejects(limit.take(1, controller.signal), { code: 'ERR_INTERRUPTED' });
    limit.setBytesPerSecond(undefined);
    await next;
  });
});
