import { Fit, Resize, type Split } from '../../../protos/gen/millrace/v1/batch.js';
import type { Preparation } from './dataset-info.js';

/** What a server says of how images became samples; undefined when it says nothing, or something newer than this client. */
export function preparationOf({ preparation }: Split): Preparation | undefined {
  const resize = RESIZES.get(preparation?.resize ?? Resize.UNSPECIFIED);
  const fit = FITS.get(preparation?.fit ?? Fit.UNSPECIFIED);
  return resize === undefined || fit === undefined ? undefined : { resize, fit };
}

const RESIZES: ReadonlyMap<Resize, Preparation['resize']> = new Map([
  [Resize.CAFFE, 'caffe'],
  [Resize.AREA, 'area'],
]);

const FITS: ReadonlyMap<Fit, Preparation['fit']> = new Map([
  [Fit.EXACT, 'exact'],
  [Fit.COVER, 'cover'],
]);
