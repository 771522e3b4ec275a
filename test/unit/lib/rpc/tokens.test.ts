import assert from 'node:assert/strict';
import { Metadata } from '@grpc/grpc-js';
import { UsageError } from '../../../../lib/core/errors.js';
import { createToken, parseTokenFile } from '../../../../lib/rpc/token-file.js';
import { TokenHolder, TokenHolders } from '../../../../lib/rpc/token-holder.js';

const NO_LIMITS = { maxStreams: undefined, bytesPerSecond: undefined };

function bearer(token: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  return metadata;
}

describe('a token file', () => {
  it('lets in who has the token of one of its lines, and holds no token', () => {
    const [a, b] = [createToken('a', NO_LIMITS), createToken('b', { maxStreams: 2, bytesPerSecond: 1000 })];
    const text = `# who may call\n\n${a.line}\n${b.line} # the other one\n`;
    assert.ok(!text.includes(a.token) && !text.includes(b.token));
    const entries = parseTokenFile(text, 'tokens.txt');
    assert.deepEqual(
      entries.map(({ name, maxStreams, bytesPerSecond }) => ({ name, maxStreams, bytesPerSecond })),
      [
        { name: 'a', ...NO_LIMITS },
        { name: 'b', maxStreams: 2, bytesPerSecond: 1000 },
      ],
    );
    assert.equal(new TokenHolders(entries).find(bearer(b.token)).name, 'b');
  });

  for (const [what, text, message] of [
    ['no line', '# nobody\n', /tokens.txt holds no token/],
    [
      'a token where its hash belongs',
      `a ${createToken('a', NO_LIMITS).token}`,
      /line 1 of tokens.txt: expected the SHA-256/,
    ],
    ['a name that is none', `\n-a ${'0'.repeat(64)}`, /line 2 of tokens.txt: expected a name/],
    ['a limit of nothing', `a ${'0'.repeat(64)} streams=0`, /expected streams=<count>/],
    ['a limit that there is not', `a ${'0'.repeat(64)} images=7`, /expected streams=<count>/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => parseTokenFile(text, 'tokens.txt'),
        (error: unknown) => error instanceof UsageError && error.field === '--tokens' && message.test(error.message),
      );
    });
  }
});

describe('a token holder', () => {
  const entry = { name: 'a', digest: Buffer.alloc(32), maxStreams: 2, bytesPerSecond: 1000 };

  it('has as many streams at a time as its line says', () => {
    const holder = new TokenHolder(entry);
    const leave = holder.enterStream();
    holder.enterStream();
    assert.throws(() => holder.enterStream(), { code: 'ERR_OVER_LIMIT', message: /"a" may have streams=2 at a time/ });
    leave();
    holder.enterStream();
  });

  it('waits until what it sent is within its rate, after a second at any rate', () => {
    let nowMs = 5_000;
    const holder = new TokenHolder(entry, () => nowMs);
    assert.equal(holder.waitAfter(1000), 0);
    assert.equal(holder.waitAfter(500), 500);
    nowMs += 500;
    assert.equal(holder.waitAfter(250), 250);
    nowMs += 60_000;
    assert.equal(holder.waitAfter(1250), 250);
  });

  it('is nobody without a token, with another scheme, or with another token', () => {
    const holders = new TokenHolders(parseTokenFile(createToken('a', NO_LIMITS).line, 'x'));
    const basic = new Metadata();
    basic.set('authorization', 'Basic YTpi');
    for (const metadata of [new Metadata(), basic, bearer('guess')]) {
      assert.throws(() => holders.find(metadata), { code: 'ERR_UNAUTHENTICATED' });
    }
  });

  it('keeps what it has of its limits when the file is read again, and is revoked when its line is gone', () => {
    const [a, b] = [createToken('a', { maxStreams: 1, bytesPerSecond: undefined }), createToken('b', NO_LIMITS)];
    const holders = new TokenHolders(parseTokenFile(`${a.line}\n${b.line}`, 'x'));
    const [first, second] = [a, b].map(({ token }) => holders.find(bearer(token)));
    first.enterStream();
    assert.deepEqual(holders.replace(parseTokenFile(a.line.replace('streams=1', 'streams=2'), 'x')), ['b']);
    assert.equal(holders.find(bearer(a.token)), first);
    first.enterStream();
    assert.throws(() => first.enterStream(), { code: 'ERR_OVER_LIMIT', message: /streams=2/ });
    assert.deepEqual([first.revoked.aborted, second.revoked.aborted], [false, true]);
    assert.throws(() => holders.find(bearer(b.token)), { code: 'ERR_UNAUTHENTICATED' });
  });
});
