import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { parseGroundTruth, parseSynsets } from '../../../../lib/annotations/development-kit.js';
import { readMatVariable } from '../../../../lib/annotations/mat-file.js';
import { META_MAT } from '../../../fixtures/meta-mat.js';

/** The same file without compression: each variable's bytes are what was compressed. */
function uncompressed(file: Buffer): Buffer {
  const parts = [file.subarray(0, 128)];
  for (let at = 128; at < file.length; at += 8 + file.readUInt32LE(at + 4)) {
    parts.push(inflateSync(file.subarray(at + 8, at + 8 + file.readUInt32LE(at + 4))));
  }
  return Buffer.concat(parts);
}

const PLAIN = uncompressed(META_MAT);

describe('readMatVariable', () => {
  it('reads what SciPy wrote: numbers, cells with text, structs with empty fields and non-ASCII text', () => {
    assert.deepEqual(readMatVariable(META_MAT, 'other'), [0, 1, 2, 3, 4]);
    assert.deepEqual(readMatVariable(META_MAT, 'cells'), { kind: 'cells', cells: ['a', [1.5]] });
    const synsets = readMatVariable(META_MAT, 'synsets');
    assert.ok(typeof synsets === 'object' && 'structs' in synsets);
    assert.deepEqual(
      synsets.structs.map((fields) => fields.get('gloss')),
      ['small grey fox', 'a fish', 'a dog é', 'all'],
    );
    assert.deepEqual(
      synsets.structs.map((fields) => fields.get('children')),
      [[], [], [], [1, 2, 3]],
    );
  });

  it('reads the same when nothing is compressed', () => {
    assert.deepEqual(readMatVariable(PLAIN, 'synsets'), readMatVariable(META_MAT, 'synsets'));
  });

  it('says that there is no such variable', () => {
    assert.throws(() => readMatVariable(META_MAT, 'nothing'), /no variable "nothing"/);
  });

  for (const [what, file] of [
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.alloc(500, 'x')],
    ['a big-endian file', Buffer.concat([META_MAT.subarray(0, 126), Buffer.from('MI'), META_MAT.subarray(128)])],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readMatVariable(file, 'synsets'), /expected a little-endian MAT-file of level 5/);
    });
  }

  for (const [what, file] of [
    ['a compressed file', META_MAT],
    ['a plain file', PLAIN],
  ] as const) {
    it(`refuses ${what} that is cut off anywhere in its last variable`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: file.length - 1 }), (length) => {
          assert.throws(() => readMatVariable(file.subarray(0, length), 'synsets'), SyntaxError);
        }),
      );
    });

    it(`either reads ${what} that is damaged or refuses it with a SyntaxError`, () => {
      fc.assert(
        fc.property(fc.integer({ min: 0, max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const damaged = Buffer.from(file);
          damaged[at] ^= flip;
          try {
            readMatVariable(damaged, 'synsets');
          } catch (error) {
            assert.ok(error instanceof SyntaxError, String(error));
          }
        }),
        { numRuns: 500 },
      );
    });
  }
});

describe('the files of a development kit', () => {
  it('give the synsets, leaves and ancestors', () => {
    assert.deepEqual(parseSynsets(META_MAT), [
      { id: 1, wnid: 'n03', isLeaf: true },
      { id: 2, wnid: 'n01', isLeaf: true },
      { id: 3, wnid: 'n02', isLeaf: true },
      { id: 4, wnid: 'n04', isLeaf: false },
    ]);
  });

  it('give the ground truth, whatever ends the lines', () => {
    assert.deepEqual(parseGroundTruth(Buffer.from('490\n361\r\n171')), [490, 361, 171]);
    assert.throws(() => parseGroundTruth(Buffer.from('490\nx\n')), /line 2: expected a number, got "x"/);
  });
});
