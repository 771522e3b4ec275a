import assert from 'node:assert/strict';
import { parseClassNames, parseList, parseListLine, recordKey } from '../../../../lib/core/image-list.js';

describe("Caffe's list files", () => {
  for (const [line, name, label] of [
    ['n01440764/n01440764_10026.JPEG 0', 'n01440764/n01440764_10026.JPEG', 0],
    ['a name with spaces.JPEG 17', 'a name with spaces.JPEG', 17],
    ['crlf.JPEG 5\r', 'crlf.JPEG', 5],
    ['negative.JPEG -3', 'negative.JPEG', -3],
    ['word.JPEG abc', 'word.JPEG', 0],
    ['tab.JPEG\t7', 'tab.JPEG\t7', 0],
    ['12', '12', 12],
    ['trailing.JPEG 3 ', 'trailing.JPEG 3', 0],
    ['huge.JPEG 99999999999', 'huge.JPEG', 2_147_483_647],
    ['', '', 0],
  ] as const) {
    it(`reads ${JSON.stringify(line)} as Caffe does`, () => {
      assert.deepEqual(parseListLine(line), { name, label });
    });
  }

  it('keep blank lines, which make gaps in the keys, but not the end of the last line', () => {
    assert.deepEqual(
      parseList('a 1\n\nb 2\n').map((entry) => entry.name),
      ['a', '', 'b'],
    );
  });

  it('give keys that sort as the list does', () => {
    assert.equal(recordKey(7, 'n01440764/x.JPEG'), '00000007_n01440764/x.JPEG');
  });

  it('of classes hold an id and words', () => {
    assert.deepEqual(parseClassNames('n01440764 tench, Tinca tinca\r\nn01443537\n\n'), [
      { id: 'n01440764', name: 'tench, Tinca tinca' },
      { id: 'n01443537', name: 'n01443537' },
    ]);
  });
});
