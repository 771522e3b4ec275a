/** Bounding boxes as a trainer can use them, out of annotations as they are: relative to the image, inside it, of a known class. */
import type { VocAnnotation, VocObject } from './voc-annotation.js';

/** `[yMin, xMin, yMax, xMax]`, relative to the image's height and width: `0 ≤ min < max ≤ 1`, whatever its size in pixels. */
export type RelativeBox = readonly [number, number, number, number];

export interface ObjectBox {
  /** Undefined when the annotation's name is that of no class. */
  readonly classId: string | undefined;
  readonly box: RelativeBox;
}

/** How often which oddity was met. */
export interface BoxMends {
  /** Boxes whose minimum was beyond their maximum: the two are exchanged, since the corners are what was meant. */
  numSwapped: number;
  /** Boxes that reached out of the image and were clipped. */
  numClipped: number;
  /** Boxes of which nothing is left in the image, or whose image has no size. */
  numDropped: number;
  /** Boxes whose class is given by its words ("Scottish_deerhound") in place of its id. */
  numNamedByWords: number;
  /** Boxes whose class is neither an id nor the words of just one class. */
  numUnknownClasses: number;
  /** Annotations that name another file than the image of their own name ("%s"). */
  numOtherFilenames: number;
}

export function createBoxMends(): BoxMends {
  return {
    numSwapped: 0,
    numClipped: 0,
    numDropped: 0,
    numNamedByWords: 0,
    numUnknownClasses: 0,
    numOtherFilenames: 0,
  };
}

/** Finds the class that an annotation means by a name. */
export interface ClassNames {
  idOf(name: string): { readonly id: string; readonly isByWords: boolean } | undefined;
}

/** @param classes ids with their words, the synonyms separated by commas; none: any name is taken for an id */
export function createClassNames(classes: readonly { readonly id: string; readonly name: string }[]): ClassNames {
  const ids = new Set(classes.map(({ id }) => id));
  // Undefined: the words of several classes (both a bird and a machine are a crane).
  const idOfWords = new Map<string, string | undefined>();
  for (const { id, name } of classes) {
    for (const words of new Set(name.split(',').map(normalized))) {
      idOfWords.set(words, idOfWords.has(words) ? undefined : id);
    }
  }
  return {
    idOf(name) {
      if (classes.length === 0 || ids.has(name)) return { id: name, isByWords: false };
      const id = idOfWords.get(normalized(name));
      return id === undefined ? undefined : { id, isByWords: true };
    },
  };
}

function normalized(words: string): string {
  return words.replaceAll('_', ' ').trim().toLowerCase();
}

/** The usable boxes of one annotation, in its order. Adds to `mends` what had to be mended. */
export function usableBoxes(annotation: VocAnnotation, classNames: ClassNames, mends: BoxMends): ObjectBox[] {
  return annotation.objects.flatMap((object) => {
    const box = usableBox(object, annotation, mends);
    if (box === undefined) return [];
    const found = classNames.idOf(object.name);
    if (found === undefined) mends.numUnknownClasses++;
    else if (found.isByWords) mends.numNamedByWords++;
    return [{ classId: found?.id, box }];
  });
}

function usableBox(object: VocObject, { width, height }: VocAnnotation, mends: BoxMends): RelativeBox | undefined {
  const { xMin, yMin, xMax, yMax } = object;
  const isSwapped = xMin > xMax || yMin > yMax;
  const corners = [
    Math.min(yMin, yMax) / height,
    Math.min(xMin, xMax) / width,
    Math.max(yMin, yMax) / height,
    Math.max(xMin, xMax) / width,
  ];
  const [top, left, bottom, right] = corners.map((value) => Math.min(1, Math.max(0, value)));
  if (!(width > 0 && height > 0 && top < bottom && left < right)) {
    mends.numDropped++;
    return undefined;
  }
  if (isSwapped) mends.numSwapped++;
  if (corners.some((value) => value < 0 || value > 1)) mends.numClipped++;
  return [top, left, bottom, right];
}
