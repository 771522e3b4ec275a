import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseXml } from '../../../../lib/annotations/xml.js';

describe('parseXml', () => {
  it('reads elements, text, empty elements, comments, attributes and entities', () => {
    const text = `\uFEFF<?xml version="1.0" encoding="utf-8"?>
<!-- <a> -->
<a x="1" y='>'>
  one &lt;&amp;&#233;&#xe9;
  <b/><c >two</c ><!-- - --> </a>
`;
    assert.deepEqual(parseXml(text), {
      name: 'a',
      text: 'one <&éé',
      children: [
        { name: 'b', text: '', children: [] },
        { name: 'c', text: 'two', children: [] },
      ],
    });
  });

  it('gives back any text that was escaped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
        assert.equal(parseXml(`<a>${escaped}</a>`).text, text.trim());
      }),
    );
  });

  for (const [text, message] of [
    ['', /no element/],
    ['<a>', /<a> is not closed/],
    ['<a>\n<b>\n</a>', /line 3: <\/a> where <b> is to be closed/],
    ['</a>', /<\/a> where/],
    ['<a/><b/>', /a second root element/],
    ['x<a/>', /text outside/],
    ['<a/>x', /text outside/],
    ['<a b=c/>', /line 1: expected an element/],
    ['<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', /expected an element/],
    ['<a><![CDATA[x]]></a>', /expected an element/],
    ['<a>&x;</a>', /unknown entity &x;/],
    ['<a>&constructor;</a>', /unknown entity/],
    ['<a>a & b</a>', /& is no character/],
    ['<a>&#x110000;</a>', /is no character/],
    ['<a>'.repeat(100), /elements in one another/],
  ] as const) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(() => parseXml(text), message);
    });
  }
});
