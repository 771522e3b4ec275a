import assert from 'node:assert/strict';
import type { Headers } from '../../../../services/downloader/response-headers.js';
import { judgeResponse, type Asked, type Verdict } from '../../../../services/downloader/response-verdict.js';

const ETAG = { kind: 'etag', value: '"a"' } as const;
const NOTHING = { overlapBytes: 0, totalBytes: undefined, validator: undefined, expectedBytes: undefined };
const WHOLE: Asked = { ...NOTHING, offset: undefined };
const REST: Asked = { ...NOTHING, offset: 40, totalBytes: 100, validator: ETAG };
const OVERLAPPING: Asked = { ...REST, overlapBytes: 10 };

type Row = [title: string, status: number, headers: Headers, asked: Asked, expected: Partial<Verdict>];

const ROWS: Row[] = [
  [
    'a whole file',
    200,
    { 'content-length': '100', etag: '"a"' },
    WHOLE,
    { kind: 'whole', totalBytes: 100, validator: ETAG },
  ],
  [
    'a whole file of unknown length',
    200,
    { 'transfer-encoding': 'chunked' },
    WHOLE,
    { kind: 'whole', isDelimited: true },
  ],
  ['a whole file that ends with its connection', 200, {}, WHOLE, { kind: 'whole', isDelimited: false }],
  ['a whole file for a range', 200, { 'content-length': '100' }, REST, { kind: 'whole', totalBytes: 100 }],
  [
    'another length than expected',
    200,
    { 'content-length': '99' },
    { ...WHOLE, expectedBytes: 100 },
    { kind: 'refuse' },
  ],
  ['a gzipped file', 200, { 'content-encoding': 'gzip' }, WHOLE, { kind: 'refuse' }],
  ['identity said aloud', 200, { 'content-encoding': 'identity' }, WHOLE, { kind: 'whole' }],
  ['the rest', 206, { 'content-range': 'bytes 40-99/100', etag: '"a"' }, REST, { kind: 'rest', totalBytes: 100 }],
  ['a part of the rest', 206, { 'content-range': 'bytes 40-59/100' }, REST, { kind: 'rest', totalBytes: 100 }],
  [
    'the rest, when the length was not known',
    206,
    { 'content-range': 'bytes 40-99/100' },
    { ...REST, totalBytes: undefined },
    { kind: 'rest', totalBytes: 100, validator: ETAG },
  ],
  ['the rest after an overlap', 206, { 'content-range': 'bytes 30-99/100' }, OVERLAPPING, { kind: 'rest' }],
  ['the rest without the overlap', 206, { 'content-range': 'bytes 40-99/100' }, OVERLAPPING, { kind: 'ask-whole' }],
  [
    'nothing but the overlap, of a file whose length was not known',
    206,
    { 'content-range': 'bytes 30-39/40' },
    { ...OVERLAPPING, totalBytes: undefined },
    { kind: 'rest', totalBytes: 40 },
  ],
  [
    'less than the overlap, of a file whose length was not known',
    206,
    { 'content-range': 'bytes 30-34/35' },
    { ...OVERLAPPING, totalBytes: undefined },
    { kind: 'ask-whole', isChanged: true },
  ],
  [
    'the rest from another source',
    206,
    { 'content-range': 'bytes 40-99/100', etag: '"b"' },
    { ...REST, validator: undefined },
    { kind: 'rest', validator: { kind: 'etag', value: '"b"' } },
  ],
  [
    'a gzipped rest',
    206,
    { 'content-range': 'bytes 40-99/100', 'content-encoding': 'gzip' },
    REST,
    { kind: 'ask-whole' },
  ],
  ['a rest that begins elsewhere', 206, { 'content-range': 'bytes 39-99/100' }, REST, { kind: 'ask-whole' }],
  ['a rest of a longer file', 206, { 'content-range': 'bytes 40-100/101' }, REST, { kind: 'ask-whole' }],
  ['a rest of unknown length', 206, { 'content-range': 'bytes 40-99/*' }, REST, { kind: 'ask-whole' }],
  ['a rest with another ETag', 206, { 'content-range': 'bytes 40-99/100', etag: '"b"' }, REST, { kind: 'ask-whole' }],
  ['several ranges', 206, { 'content-type': 'multipart/byteranges' }, REST, { kind: 'ask-whole' }],
  ['a part that nobody asked for', 206, { 'content-range': 'bytes 0-99/100' }, WHOLE, { kind: 'retry' }],
  [
    'no more bytes',
    416,
    { 'content-range': 'bytes */100' },
    { ...REST, offset: 100 },
    { kind: 'complete', totalBytes: 100 },
  ],
  ['a file that shrank', 416, { 'content-range': 'bytes */30' }, REST, { kind: 'ask-whole' }],
  ['a 416 without a length', 416, {}, REST, { kind: 'ask-whole' }],
  [
    'a 416 with another ETag',
    416,
    { 'content-range': 'bytes */100', etag: '"b"' },
    { ...REST, offset: 100 },
    { kind: 'ask-whole' },
  ],
  ['a 416 for the whole', 416, { 'content-range': 'bytes */0' }, WHOLE, { kind: 'refuse' }],
  ['a busy server', 503, { 'retry-after': '3' }, REST, { kind: 'retry', retryAfterMs: 3_000 }],
  ['too many requests', 429, {}, REST, { kind: 'retry', retryAfterMs: undefined }],
  ['a request that took too long', 408, {}, REST, { kind: 'retry' }],
  ['no content', 204, {}, WHOLE, { kind: 'refuse' }],
  ...[400, 401, 403, 404, 407, 410].map((status): Row => [`status ${status}`, status, {}, REST, { kind: 'refuse' }]),
];

describe('judging a response', () => {
  for (const [title, status, headers, asked, expected] of ROWS) {
    it(`takes ${title} for ${expected.kind ?? ''}`, () => {
      const verdict = judgeResponse(status, headers, asked, 0);
      assert.deepEqual({ ...verdict, ...expected }, verdict);
    });
  }
});
