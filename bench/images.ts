/** Images for benches. */
import { closeSync, copyFileSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { openArchive } from '../lib/archives/archive.js';
import { readMember } from '../lib/archives/read-member.js';
import { encodeJpeg } from '../lib/pixels/encode.js';
import { readEnvironment } from '../lib/platform/environment.js';
import { drawPicture } from '../services/archive-server/sample/picture.js';

const NUM_DRAWN = 400;

/** The test data's photographs; without it, pictures drawn here. */
export async function readImages(
  folder: string,
): Promise<{ readonly what: string; readonly files: readonly Buffer[] }> {
  const name = 'ILSVRC2012_img_train.sample.tar';
  const original = join(readEnvironment().testData, name);
  if (!existsSync(original)) {
    const drawn = Array.from({ length: NUM_DRAWN }, (_, index) =>
      encodeJpeg({ ...drawPicture({ split: 0, label: index % 10, index, channels: 3 }), quality: 90 }),
    );
    return { what: 'drawn pictures of about 150×120 (no test data)', files: await Promise.all(drawn) };
  }
  // Its index is written beside it.
  const path = join(folder, name);
  copyFileSync(original, path);
  const { index } = await openArchive(path, 'nested');
  const descriptor = openSync(path, 'r');
  try {
    const files = Array.from({ length: index.numMembers }, (_, member) =>
      readMember(path, descriptor, index.offset(member), index.size(member)),
    );
    return { what: 'photographs of ImageNet', files };
  } finally {
    closeSync(descriptor);
  }
}
