/** `prepareDataset` in a process of its own, for tests that kill it. Arguments: root, number of workers, `update` or nothing. */
import { prepareDataset } from '../../workers/prepare.js';
import { tinySettings } from '../fixtures/tiny-dataset.js';

const [root, numWorkers] = process.argv.slice(2);
const settings = tinySettings(root);
await prepareDataset(
  {
    ...settings,
    mayUpdate: process.argv.includes('update'),
    numWorkers: Number(numWorkers),
    reporter: {
      ...settings.reporter,
      progress: ({ done }) => process.stdout.write(`${done}\n`),
    },
  },
  false,
);
