import { z } from 'zod';

/** A flag that holds a positive number of bytes per second, with k, M or G for powers of 1000. */
export function rateFlag() {
  const error = 'expected bytes per second, such as 500k, 20M or 1.5G';
  const factors: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };
  return z
    .string({ error })
    .regex(/^(\d+\.?\d*|\.\d+)[kmg]?$/i, { error })
    .transform((text) => Number.parseFloat(text) * factors[/[a-z]?$/i.exec(text)?.[0].toLowerCase() ?? ''])
    .refine((rate) => rate >= 1, { error });
}
