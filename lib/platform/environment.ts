/** The environment as a config, in one pure step; nothing else reads `process.env`. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../core/errors.js';

export interface Environment {
  /** Where archives and datasets live: `MILLRACE_ROOT`, default `./.millrace`. Absolute. */
  readonly root: string;
  /** `MILLRACE_LOG_LEVEL`, default `warn`. */
  readonly logLevel: LogLevel;
  /** Folder with real archives for tests and demos: `MILLRACE_TEST_DATA`, default `../shared/data`. Absolute; may not exist. */
  readonly testData: string;
  /** Milliseconds that a server keeps serving after SIGTERM: `MILLRACE_DRAIN_MS`, default 10,000. */
  readonly drainMs: number;
  /** libturbojpeg's path, or `none` to do without it: `MILLRACE_TURBOJPEG`, default where systems keep it. */
  readonly turbojpeg: string | undefined;
  /** MiB of memory for batches that a server keeps: `MILLRACE_MEMORY`, default 256. */
  readonly memoryMib: number;
  /** Whether the trainer may compute on an adapter that only imitates a GPU: `MILLRACE_SOFTWARE_GPU`, default no. */
  readonly allowSoftwareGpu: boolean;
  /** What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` hold, or their lower-case twins, which win; undefined where not set. */
  readonly proxy: {
    readonly http: string | undefined;
    readonly https: string | undefined;
    readonly noProxy: string | undefined;
  };
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const schema = z.object({
  MILLRACE_ROOT: z.string().min(1).default('.millrace'),
  MILLRACE_LOG_LEVEL: z.enum(LOG_LEVELS).default('warn'),
  MILLRACE_TEST_DATA: z.string().min(1).default('../shared/data'),
  MILLRACE_DRAIN_MS: z.coerce.number().int().min(0).default(10_000),
  MILLRACE_TURBOJPEG: z.string().optional(),
  MILLRACE_MEMORY: z.coerce.number().int().min(16).max(4095).default(256),
  MILLRACE_SOFTWARE_GPU: z.stringbool().default(false),
});

/**
 * Reads the variables named `MILLRACE_*` and those that name a proxy; an empty one counts as not set.
 * Throws UsageError naming the variable when one is out of range.
 */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env, cwd: string = process.cwd()): Environment {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(set);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = String(issue.path[0]);
    throw new UsageError(field, `environment variable ${field}: ${issue.message}, got "${env[field] ?? ''}"`);
  }
  const { data } = parsed;
  return {
    root: resolve(cwd, data.MILLRACE_ROOT),
    logLevel: data.MILLRACE_LOG_LEVEL,
    testData: resolve(cwd, data.MILLRACE_TEST_DATA),
    drainMs: data.MILLRACE_DRAIN_MS,
    turbojpeg: data.MILLRACE_TURBOJPEG,
    memoryMib: data.MILLRACE_MEMORY,
    allowSoftwareGpu: data.MILLRACE_SOFTWARE_GPU,
    proxy: {
      http: set['http_proxy'] ?? set['HTTP_PROXY'],
      https: set['https_proxy'] ?? set['HTTPS_PROXY'],
      noProxy: set['no_proxy'] ?? set['NO_PROXY'],
    },
  };
}
