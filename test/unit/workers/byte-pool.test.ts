import assert from 'node:assert/strict';
import { BytePool } from '../../../workers/byte-pool.js';

describe('BytePool', () => {
  it('gives an array that was given back, if it is large enough', () => {
    const pool = new BytePool();
    const first = pool.take(100_000);
    assert.equal(first.length, 100_000);
    pool.give(first);
    const second = pool.take(90_000);
    assert.equal(second.length, 90_000);
    assert.equal(second.buffer, first.buffer);
    assert.notEqual(pool.take(90_000).buffer, first.buffer, 'it is in use');
    pool.give(second);
    assert.notEqual(pool.take(200_000).buffer, first.buffer);
  });

  it('gives an array to one at a time, however often it was given back', () => {
    const pool = new BytePool();
    const array = pool.take(10);
    pool.give(array);
    pool.give(array);
    assert.notEqual(pool.take(10).buffer, pool.take(10).buffer);
  });

  it('leaves alone what is not from it: a small Buffer is a part of a memory that others use', () => {
    const pool = new BytePool();
    const foreign = Buffer.from('text of others');
    pool.give(foreign);
    assert.notEqual(pool.take(foreign.length).buffer, foreign.buffer);
  });

  it('does not keep what is huge', () => {
    const pool = new BytePool();
    const huge = pool.take(5 << 20);
    pool.give(huge);
    assert.notEqual(pool.take(5 << 20).buffer, huge.buffer);
  });
});
