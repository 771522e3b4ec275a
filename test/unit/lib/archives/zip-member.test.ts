import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { readMember } from '../../../../lib/archives/read-member.js';
import { indexZip } from '../../../../lib/archives/zip-member.js';
import { runPython } from '../../../fixtures/run-command.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';
import { makeZip, type ZipMemberSpec, type ZipSpec } from '../../../fixtures/zip-files.js';

const LONG = 'a long text that packs well. '.repeat(200);

describe('indexZip', () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);

  async function contentOf(path: string): Promise<[string, string][]> {
    const index = await indexZip(path);
    const descriptor = openSync(path, 'r');
    try {
      return Array.from({ length: index.numMembers }, (_, i) => [
        index.name(i),
        readMember(path, descriptor, index.offset(i), index.size(i)).toString(),
      ]);
    } finally {
      closeSync(descriptor);
    }
  }

  async function contentOfBytes(bytes: Buffer): Promise<[string, string][]> {
    writeFileSync(at('altered.zip'), bytes);
    return contentOf(at('altered.zip'));
  }

  const members: ZipMemberSpec[] = [
    { name: 'stored.txt', content: LONG },
    { name: 'folder/', content: '' },
    { name: 'folder/deflated é.txt', content: LONG, method: 'deflated' },
    { name: './empty', content: '' },
    { name: 'empty-deflated', content: '', method: 'deflated' },
    { name: 'link', content: 'stored.txt', isLink: true },
    // Its local header has an extra field that its entry of the directory lacks.
    { name: 'zip64', content: LONG, method: 'deflated', zip64: true },
  ];
  const files = [
    ['stored.txt', LONG],
    ['folder/deflated é.txt', LONG],
    ['empty', ''],
    ['empty-deflated', ''],
    ['zip64', LONG],
  ];

  for (const [what, spec] of [
    ['a plain archive', { members }],
    ['one with a comment that looks like an end record', { members, comment: 'PK\u0005\u0006'.repeat(10) }],
    ['one written as a stream', { members, isStreamed: true }],
  ] as const satisfies (readonly [string, ZipSpec])[]) {
    it(`finds the files, and no folders or links, of ${what}`, async () => {
      await makeZip(at('a.zip'), spec);
      assert.deepEqual(await contentOf(at('a.zip')), files);
    });
  }

  it('finds more members than a directory without zip64 can count', async () => {
    const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as archive:
    for i in range(70000): archive.writestr(f'n/{i}', str(i))
`;
    await runPython(script, [at('many.zip')]);
    const index = await indexZip(at('many.zip'));
    assert.equal(index.numMembers, 70_000);
    assert.equal(index.name(69_999), 'n/69999');
  });

  it('takes the later of two members of one name', async () => {
    const twice = ['old', 'newer'].map((content) => ({ name: 'a', content }));
    await makeZip(at('twice.zip'), { members: twice });
    assert.deepEqual(await contentOf(at('twice.zip')), [['a', 'newer']]);
  });

  for (const name of ['/etc/passwd', '../up', 'a/../../up']) {
    it(`refuses the name "${name}", which leaves the root`, async () => {
      await makeZip(at('bad.zip'), { members: [{ name, content: 'x' }] });
      await assert.rejects(indexZip(at('bad.zip')), {
        code: 'ERR_ARCHIVE_CORRUPT',
        message: /leaves the archive's root/,
      });
    });
  }

  it('refuses a method that it cannot unpack, and says which', async () => {
    await makeZip(at('bad.zip'), { members: [{ name: 'a.png', content: 'x', method: 'lzma' }] });
    await assert.rejects(indexZip(at('bad.zip')), {
      code: 'ERR_ARCHIVE_CORRUPT',
      message: /bad\.zip: at byte 0: "a\.png" is packed by method 14; unpack it and pack it anew/,
    });
  });

  it('refuses an encrypted member', async () => {
    const bytes = await makeZip(at('a.zip'), { members: [{ name: 'a', content: 'x' }] });
    bytes[bytes.indexOf('PK\u0001\u0002') + 8] |= 1;
    await assert.rejects(contentOfBytes(bytes), { code: 'ERR_ARCHIVE_CORRUPT', message: /"a" is encrypted/ });
  });

  it('refuses one part of several', async () => {
    const bytes = await makeZip(at('a.zip'), { members: [{ name: 'a', content: 'x' }] });
    bytes[bytes.indexOf('PK\u0005\u0006') + 4] = 1;
    await assert.rejects(contentOfBytes(bytes), { code: 'ERR_ARCHIVE_CORRUPT', message: /one part/ });
  });

  it('refuses an archive that is cut off anywhere', async () => {
    const bytes = await makeZip(at('a.zip'), { members });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: bytes.length - 1 }), async (length) => {
        await assert.rejects(contentOfBytes(bytes.subarray(0, length)), { code: 'ERR_ARCHIVE_CORRUPT' });
      }),
    );
  });

  it('gives the right content of a damaged archive, or refuses it', async () => {
    const texts = [LONG.slice(0, 200), 'b'];
    const bytes = await makeZip(at('a.zip'), {
      members: texts.map((content, i) => ({ name: `${i}`, content, method: 'deflated', zip64: i === 1 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), async (byte, flip) => {
        const damaged = Buffer.from(bytes);
        damaged[byte] ^= flip;
        try {
          for (const [, content] of await contentOfBytes(damaged)) assert.ok(texts.includes(content), content);
        } catch (error) {
          if ((error as { code?: string }).code !== 'ERR_ARCHIVE_CORRUPT') throw error;
        }
      }),
      { numRuns: 500 },
    );
  });

  it('does not inflate a member beyond the length that it says', async () => {
    const bytes = await makeZip(at('a.zip'), { members: [{ name: 'a', content: LONG, method: 'deflated' }] });
    bytes.writeUInt32LE(100, 22);
    await assert.rejects(contentOfBytes(bytes), { message: /does not inflate to at most 100 bytes/ });
  });

  it('stops when asked to', async () => {
    await runPython(
      "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as a:\n  for i in range(5000): a.writestr(str(i), '')",
      [at('many.zip')],
    );
    await assert.rejects(indexZip(at('many.zip'), { signal: AbortSignal.abort() }), { code: 'ERR_INTERRUPTED' });
  });
});
