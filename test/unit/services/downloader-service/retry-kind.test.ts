import assert from 'node:assert/strict';
import { retryKind } from '../../../../services/downloader/service/metrics.js';

describe('the kind of a retry', () => {
  const kinds: [string, string][] = [
    ['stalled: under 1024 bytes/s over 30 s', 'stall'],
    ['no connection in time', 'timeout'],
    ['no answer in time', 'timeout'],
    ['connection reset', 'connection'],
    ['the body ended at byte 5 of 10', 'connection'],
    ['the body is not as long as its Content-Length', 'connection'],
    ['no such host', 'name'],
    ['the host name cannot be looked up just now', 'name'],
    ['503 Service Unavailable', 'status'],
    ['something new, with 17 numbers', 'other'],
  ];
  for (const [reason, kind] of kinds) {
    it(`is "${kind}" when the reason is "${reason}"`, () => assert.equal(retryKind(reason), kind));
  }
});
