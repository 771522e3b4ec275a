/** Indexes the archive that is named and prints a JSON line: time of the scan, bytes of arrays that the index holds, peak memory. */
import { indexTar } from '../lib/archives/tar-index.js';

const [path] = process.argv.slice(2);
const beganAtMs = performance.now();
const { numMembers } = await indexTar(path, 'nested');
const wallMs = performance.now() - beganAtMs;
const { arrayBuffers } = process.memoryUsage();
process.stdout.write(
  `${JSON.stringify({ numMembers, wallMs, arrayBuffers, peakKb: process.resourceUsage().maxRSS })}\n`,
);
