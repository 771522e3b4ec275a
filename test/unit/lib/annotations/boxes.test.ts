import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createBoxMends, createClassNames, usableBoxes } from '../../../../lib/annotations/boxes.js';
import { parseVocAnnotation } from '../../../../lib/annotations/voc-annotation.js';
import { vocXml } from '../../../fixtures/annotation-archives.js';

const NO_MENDS = createBoxMends();
const ANY_NAME = createClassNames([]);

describe('parseVocAnnotation', () => {
  it('reads size, names and corners', () => {
    assert.deepEqual(parseVocAnnotation(vocXml('n01_1', [{ name: 'n01', corners: [34, 12.5, 130, 80] }])), {
      filename: 'n01_1',
      width: 200,
      height: 100,
      objects: [{ name: 'n01', xMin: 34, yMin: 12.5, xMax: 130, yMax: 80 }],
    });
  });

  it('does not take the name or box of a part for the object’s', () => {
    const xml = vocXml('a', [{ name: 'whole', corners: [1, 2, 3, 4] }]).replace(
      '<object>',
      '<object><part><name>head</name><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>',
    );
    assert.deepEqual(parseVocAnnotation(xml).objects, [{ name: 'whole', xMin: 1, yMin: 2, xMax: 3, yMax: 4 }]);
  });

  for (const [change, message] of [
    [['<size>', '<sized>'], /<\/size> where <sized>/],
    [['<width>200</width>', ''], /<size> lacks <width>/],
    [['<width>200', '<width>wide'], /<width>: expected a number, got "wide"/],
    [['<xmin>1</xmin>', '<xmin/>'], /<xmin>: expected a number, got ""/],
    [[/annotation>/g, 'html>'], /expected <annotation>, got <html>/],
  ] as const) {
    it(`refuses ${String(change[0])} → ${change[1]}`, () => {
      const xml = vocXml('a', [{ name: 'n', corners: [1, 2, 3, 4] }]).replace(change[0], change[1]);
      assert.throws(() => parseVocAnnotation(xml), message);
    });
  }
});

describe('usableBoxes', () => {
  const image = { filename: 'a', width: 200, height: 100 };
  const objectOf = (xMin: number, yMin: number, xMax: number, yMax: number, name = 'n01') => ({
    ...{ name, xMin, yMin, xMax, yMax },
  });

  it('makes corners relative to the displayed size', () => {
    const mends = createBoxMends();
    const boxes = usableBoxes({ ...image, objects: [objectOf(50, 10, 150, 90)] }, ANY_NAME, mends);
    assert.deepEqual(boxes, [{ classId: 'n01', box: [0.1, 0.25, 0.9, 0.75] }]);
    assert.deepEqual(mends, NO_MENDS);
  });

  it('clips what reaches out, exchanges what is the wrong way round, drops what is nothing, and counts each', () => {
    const mends = createBoxMends();
    const objects = [
      objectOf(-20, 10, 220, 90),
      objectOf(150, 90, 50, 10),
      objectOf(250, 10, 300, 90),
      objectOf(50, 10, 50, 90),
    ];
    assert.deepEqual(
      usableBoxes({ ...image, objects }, ANY_NAME, mends).map(({ box }) => box),
      [
        [0.1, 0, 0.9, 1],
        [0.1, 0.25, 0.9, 0.75],
      ],
    );
    assert.deepEqual(mends, { ...NO_MENDS, numClipped: 1, numSwapped: 1, numDropped: 2 });
  });

  it('drops the boxes of an image without a size', () => {
    const mends = createBoxMends();
    const annotation = { ...image, width: 0, objects: [objectOf(1, 2, 3, 4), objectOf(0, 0, 0, 0)] };
    assert.deepEqual(usableBoxes(annotation, ANY_NAME, mends), []);
    assert.equal(mends.numDropped, 2);
  });

  it('gives boxes inside the image, or none, for any numbers', () => {
    const number = fc.integer({ min: -1000, max: 1000 });
    fc.assert(
      fc.property(number, number, number, number, number, number, (width, height, a, b, c, d) => {
        const mends = createBoxMends();
        const boxes = usableBoxes({ filename: '', width, height, objects: [objectOf(a, b, c, d)] }, ANY_NAME, mends);
        assert.equal(boxes.length + mends.numDropped, 1);
        for (const { box } of boxes) {
          const [top, left, bottom, right] = box;
          assert.ok(0 <= top && top < bottom && bottom <= 1 && 0 <= left && left < right && right <= 1, String(box));
        }
      }),
    );
  });

  it('finds a class by its id or by any of its words, unless two classes have them', () => {
    const names = createClassNames([
      { id: 'n02092002', name: 'Scottish deerhound, deerhound' },
      { id: 'n02012849', name: 'crane' },
      { id: 'n03126707', name: 'crane' },
    ]);
    const mends = createBoxMends();
    const objects = ['n02092002', 'Scottish_deerhound', 'deerhound', 'crane', 'n99999999'].map((name) =>
      objectOf(1, 2, 3, 4, name),
    );
    assert.deepEqual(
      usableBoxes({ ...image, objects }, names, mends).map(({ classId }) => classId),
      ['n02092002', 'n02092002', 'n02092002', undefined, undefined],
    );
    assert.deepEqual(mends, { ...NO_MENDS, numNamedByWords: 2, numUnknownClasses: 2 });
  });
});
