/** Whether what a dataset's archives say of its images fits together: labels against ground truth, boxes against images. */
import { readDevelopmentKit } from '../lib/annotations/development-kit.js';
import { compareLabelSources } from '../lib/annotations/label-sources.js';
import type { BoxMends } from '../lib/annotations/boxes.js';
import { imageStem, readBoxes } from '../lib/annotations/read-boxes.js';
import type { Dataset } from '../lib/catalog/dataset-schema.js';
import { parseClassNames, parseList, type ListEntry } from '../lib/core/image-list.js';
import type { Reporter } from '../lib/platform/progress.js';
import { DatasetFiles } from './dataset-files.js';

export interface CheckOptions {
  readonly root: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface LabelCheck {
  readonly numImages: number;
  /** One line each. None: the two sources agree. */
  readonly problems: readonly string[];
}

export interface BoxCheck {
  readonly numFiles: number;
  readonly numBoxes: number;
  /** Listed images that have an annotation; undefined when the split has no list. */
  readonly numImagesWithBoxes: number | undefined;
  readonly numImages: number | undefined;
  readonly mends: Readonly<BoxMends>;
}

export interface SplitCheck {
  readonly split: string;
  readonly labels: LabelCheck | undefined;
  readonly boxes: BoxCheck | undefined;
  /** Archives that could not be looked at because they have not been fetched. */
  readonly absent: readonly string[];
}

/**
 * Checks the splits that have annotations, as far as their archives are there.
 * Throws ERR_NOT_FOUND when such a split's list or the class names are not there, ERR_VERIFICATION when a file is malformed,
 * ERR_ARCHIVE_CORRUPT, InterruptedError.
 */
export async function checkDataset(dataset: Dataset, options: CheckOptions): Promise<SplitCheck[]> {
  const files = new DatasetFiles(options.root, dataset, options.reporter, options.signal);
  const checks: SplitCheck[] = [];
  for (const [split, { labels, annotations }] of Object.entries(dataset.splits)) {
    if (annotations === undefined) continue;
    const { boxes, developmentKit } = annotations;
    const archives = [developmentKit, boxes?.archive].filter((file) => file !== undefined);
    const absent: string[] = [];
    for (const file of archives) if (!(await files.has(file))) absent.push(file);
    const isThere = (file: string): boolean => !absent.includes(file);
    if (absent.length === archives.length) {
      checks.push({ split, labels: undefined, boxes: undefined, absent });
      continue;
    }
    const list = labels.from === 'list' ? parseList(await files.readText(labels.list)) : undefined;
    const classes = dataset.classes === undefined ? [] : parseClassNames(await files.readText(dataset.classes));
    checks.push({
      split,
      absent,
      labels:
        developmentKit !== undefined && list !== undefined && isThere(developmentKit)
          ? {
              numImages: list.length,
              problems: compareLabelSources({
                kit: await readDevelopmentKit(await files.path(developmentKit)),
                list,
                classes,
              }),
            }
          : undefined,
      boxes:
        boxes !== undefined && isThere(boxes.archive)
          ? await checkBoxes(await files.path(boxes.archive), boxes, list, classes, options)
          : undefined,
    });
  }
  return checks;
}

async function checkBoxes(
  path: string,
  { archive, prefix }: { readonly archive: string; readonly prefix: string },
  list: readonly ListEntry[] | undefined,
  classes: readonly { readonly id: string; readonly name: string }[],
  { reporter, signal }: CheckOptions,
): Promise<BoxCheck> {
  const onProgress = (done: number): void => reporter.progress({ stage: `read ${archive}`, unit: 'files', done });
  const { byImage, numBoxes, mends } = await readBoxes(path, { prefix, classes, signal, onProgress });
  return {
    numFiles: byImage.size,
    numBoxes,
    numImages: list?.length,
    numImagesWithBoxes: list?.filter(({ name }) => byImage.has(imageStem(name))).length,
    mends,
  };
}
