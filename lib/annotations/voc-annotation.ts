/** One PASCAL VOC annotation file, as it is written: nothing is mended here. */
import { parseXml, type XmlElement } from './xml.js';

/** Corners in pixels of the image at the size that the file says, from its top left. */
export interface VocObject {
  readonly name: string;
  readonly xMin: number;
  readonly yMin: number;
  readonly xMax: number;
  readonly yMax: number;
}

export interface VocAnnotation {
  /** Empty when the file has none. */
  readonly filename: string;
  /** Pixels, of the image as it was displayed to whoever drew the boxes; that may not be the size of the JPEG. */
  readonly width: number;
  readonly height: number;
  readonly objects: readonly VocObject[];
}

/** Throws SyntaxError naming what is malformed or missing. */
export function parseVocAnnotation(text: string): VocAnnotation {
  const root = parseXml(text);
  if (root.name !== 'annotation') throw new SyntaxError(`expected <annotation>, got <${root.name}>`);
  const size = child(root, 'size');
  return {
    filename: root.children.find(({ name }) => name === 'filename')?.text ?? '',
    width: numberIn(size, 'width'),
    height: numberIn(size, 'height'),
    objects: root.children.filter(({ name }) => name === 'object').map(toObject),
  };
}

function toObject(element: XmlElement): VocObject {
  const box = child(element, 'bndbox');
  return {
    name: child(element, 'name').text,
    xMin: numberIn(box, 'xmin'),
    yMin: numberIn(box, 'ymin'),
    xMax: numberIn(box, 'xmax'),
    yMax: numberIn(box, 'ymax'),
  };
}

function child(element: XmlElement, name: string): XmlElement {
  const found = element.children.find((candidate) => candidate.name === name);
  if (found === undefined) throw new SyntaxError(`<${element.name}> lacks <${name}>`);
  return found;
}

function numberIn(element: XmlElement, name: string): number {
  const { text } = child(element, name);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    throw new SyntaxError(`<${name}>: expected a number, got "${text}"`);
  }
  return Number(text);
}
