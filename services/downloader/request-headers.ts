/** What a request for a file, or for some of its bytes, says. */
import { packageVersion } from '../../lib/platform/package-root.js';
import type { Asked } from './response-verdict.js';

/** `end`: offset after the last byte wanted; Infinity for all that follow. */
export function requestHeaders({ offset, overlapBytes, validator }: Asked, end: number): Record<string, string> {
  return {
    'user-agent': `millrace/${packageVersion()}`,
    'accept-encoding': 'identity',
    ...(offset !== undefined && { range: `bytes=${offset - overlapBytes}-${end === Infinity ? '' : end - 1}` }),
    ...(offset !== undefined && validator !== undefined && { 'if-range': validator.value }),
  };
}
