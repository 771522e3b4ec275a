import assert from 'node:assert/strict';
import { parseSynsets } from '../../../../lib/annotations/development-kit.js';
import { compareLabelSources } from '../../../../lib/annotations/label-sources.js';
import { parseList } from '../../../../lib/core/image-list.js';
import { META_MAT } from '../../../fixtures/meta-mat.js';

describe('compareLabelSources', () => {
  const synsets = parseSynsets(META_MAT);
  const classes = [{ id: 'n01' }, { id: 'n02' }, { id: 'n03' }];
  // IDs 1, 2, 3 are labels 2, 0, 1.
  const kit = { synsets, groundTruth: [1, 2, 3, 3] };
  const list = parseList('v1 2\nv2 0\nv3 1\nv4 1\n');

  it('finds nothing where label and ID mean the same class, in whatever order the list is', () => {
    assert.deepEqual(compareLabelSources({ kit, list, classes }), []);
    assert.deepEqual(compareLabelSources({ kit, list: [...list].reverse(), classes: [] }), []);
  });

  it('names the image whose label is another, and what it should be', () => {
    assert.deepEqual(compareLabelSources({ kit, list: parseList('v1 2\nv2 0\nv3 0\nv4 1\n'), classes }), [
      'v3: the list says label 0, the ground truth (line 3) ID 3, n02, hence label 1',
    ]);
  });

  it('does not take an ancestor, or an ID that is not there, for a class', () => {
    assert.deepEqual(compareLabelSources({ kit: { synsets, groundTruth: [4, 9, 3, 3] }, list, classes }), [
      'v1: the list says label 2, the ground truth (line 1) ID 4, which is no class',
      'v2: the list says label 0, the ground truth (line 2) ID 9, which is no class',
    ]);
  });

  it('counts images that one of the two lacks, or that are listed twice', () => {
    assert.deepEqual(compareLabelSources({ kit, list: list.slice(0, 3), classes }), [
      'the list has 3 images, the ground truth 4',
    ]);
    assert.deepEqual(compareLabelSources({ kit, list: parseList('v1 2\nv2 0\nv3 1\nv3 1\n'), classes }), [
      'the list names 1 images more than once',
    ]);
  });

  it('compares the class names with the synsets', () => {
    assert.deepEqual(compareLabelSources({ kit, list, classes: [{ id: 'n01' }, { id: 'n03' }] }), [
      'label 1: the class names say n03, the synsets n02',
      'label 2: the class names say nothing, the synsets n03',
    ]);
  });
});
