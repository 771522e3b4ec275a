import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { packTar } from '../../../../lib/archives/tar-writer.js';
import { HEAD_BYTES, headProblem, prepend, readHead } from '../../../../services/downloader/body-head.js';

describe('the head of a body', () => {
  const pages = ['<!doctype html>', '<!DOCTYPE HTML PUBLIC>', '<html>', '\uFEFF<html lang="en">', ' \r\n<HTML>'];
  for (const page of pages) {
    it(`gives ${JSON.stringify(page)} away as a web page, whatever the file`, () => {
      for (const file of ['a.tar', 'a.txt', 'a'])
        assert.match(headProblem(file, Buffer.from(page), true) ?? '', /web page/);
    });
  }

  it('may be anything but a web page when a digest is known, or for a type that has no mark', () => {
    assert.equal(headProblem('a.tar', Buffer.from('anything'), true), undefined);
    assert.equal(headProblem('list.txt', Buffer.from('<htmlish.jpg 0'), false), undefined);
  });

  it('has to be that of the type that the name says', async () => {
    const good = {
      'a.tar': await packTar([{ name: 'a', data: Buffer.from('a') }]),
      'empty.tar': await packTar([]),
      'a.tgz': gzipSync('a'),
      'a.tar.gz': gzipSync('a'),
      'a.zip': Buffer.from('PK\x03\x04'),
    };
    for (const [file, head] of Object.entries(good)) assert.equal(headProblem(file, head, false), undefined, file);
    const wrong = Buffer.alloc(HEAD_BYTES, 'x');
    for (const file of Object.keys(good)) assert.match(headProblem(file, wrong, false) ?? '', /first bytes/, file);
  });

  it('is a tar by its checksum, without the word ustar', async () => {
    const head = (await packTar([{ name: 'a', data: Buffer.from('a') }])).subarray(0, HEAD_BYTES);
    head.fill(0, 257, 265);
    head.fill(0x20, 148, 156);
    head.write(
      head
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0'),
      148,
      'latin1',
    );
    assert.equal(headProblem('a.tar', head, false), undefined);
  });

  it('comes as one chunk, and the rest as it was', async () => {
    async function* chunksOf(...sizes: number[]): AsyncGenerator<Buffer, void, undefined> {
      for (const size of sizes) yield Promise.resolve(Buffer.alloc(size));
    }
    const sizesOf = async (...sizes: number[]): Promise<number[]> => {
      const body = chunksOf(...sizes);
      const head = await readHead(body, HEAD_BYTES);
      const found: number[] = [];
      for await (const chunk of prepend(head, body)) found.push(chunk.length);
      assert.equal(head.length, found[0]);
      return found;
    };
    assert.deepEqual(await sizesOf(100, 400, 100, 7), [600, 7]);
    assert.deepEqual(await sizesOf(900, 3), [900, 3]);
    assert.deepEqual(await sizesOf(5, 5), [10]);
    assert.deepEqual(await sizesOf(), [0]);
  });
});
