import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  agreesWith,
  contentLengthOf,
  contentRangeOf,
  retryAfterMsOf,
  validatorOf,
} from '../../../../services/downloader/response-headers.js';

describe('response headers', () => {
  const date = 'Tue, 02 Jan 2024 00:01:00 GMT';

  it('take a strong ETag as validator before anything else', () => {
    const headers = { etag: '"a"', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT', date };
    assert.deepEqual(validatorOf(headers), { kind: 'etag', value: '"a"' });
  });

  it('take a Last-Modified when it is a minute older than the response', () => {
    const at = (modified: string) => validatorOf({ etag: 'W/"a"', 'last-modified': modified, date });
    assert.deepEqual(at('Tue, 02 Jan 2024 00:00:00 GMT')?.kind, 'last-modified');
    assert.equal(at('Tue, 02 Jan 2024 00:00:01 GMT'), undefined);
    assert.equal(at('nonsense'), undefined);
    assert.equal(validatorOf({ 'last-modified': 'Tue, 02 Jan 2024 00:00:00 GMT' }), undefined);
  });

  it('object only when they carry another value of the same kind', () => {
    const validator = { kind: 'etag', value: '"a"' } as const;
    assert.equal(agreesWith({ etag: '"a"' }, validator), true);
    assert.equal(agreesWith({}, validator), true);
    assert.equal(agreesWith({ etag: '"b"' }, validator), false);
  });

  it('give back any content range', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat(), (begin, last, total) => {
        const header = `bytes ${begin}-${last}/${total}`;
        assert.deepEqual(contentRangeOf({ 'content-range': header }), { begin, totalBytes: total });
      }),
    );
    assert.deepEqual(contentRangeOf({ 'content-range': 'bytes */12' }), { begin: undefined, totalBytes: 12 });
    assert.deepEqual(contentRangeOf({ 'content-range': 'bytes 1-2/*' }), { begin: 1, totalBytes: undefined });
  });

  for (const header of [
    undefined,
    '',
    'bytes',
    'bytes 1-2',
    'bytes 1-/3',
    'bytes -1-2/3',
    'items 1-2/3',
    'bytes 1-2/3x',
  ]) {
    it(`take "${header ?? ''}" for no content range`, () => {
      assert.equal(contentRangeOf({ 'content-range': header }), undefined);
    });
  }

  it('have a length only when it is a number', () => {
    assert.equal(contentLengthOf({ 'content-length': '12' }), 12);
    assert.equal(contentLengthOf({ 'content-length': ['12', '12'] }), 12);
    for (const value of [undefined, '', '-1', '1e3', '12 '])
      assert.equal(contentLengthOf({ 'content-length': value }), undefined);
  });

  it('tell the wait in seconds or until a date', () => {
    const nowMs = Date.parse('Tue, 02 Jan 2024 00:00:00 GMT');
    const wait = (value: string | undefined) => retryAfterMsOf({ 'retry-after': value }, nowMs);
    assert.equal(wait('7'), 7_000);
    assert.equal(wait(date), 60_000);
    assert.equal(wait('Mon, 01 Jan 2024 00:00:00 GMT'), 0);
    assert.equal(wait('soon'), undefined);
    assert.equal(wait(undefined), undefined);
  });
});
