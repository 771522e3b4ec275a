import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** What a process that logs `error` has on stderr. */
async function logged(error: string): Promise<Record<string, unknown>> {
  const program = `
    const { createLogger } = await import(${url('../../../../lib/platform/logger.js')});
    const { MillraceError, UsageError } = await import(${url('../../../../lib/core/errors.js')});
    createLogger('test', 'info').warn({ err: ${error} }, 'failed');`;
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  const { err, msg } = JSON.parse(stderr) as { err: Record<string, unknown>; msg: string };
  assert.equal(msg, 'failed');
  return err;
}

describe('a log line', () => {
  it('has the facts of an error raised on purpose, and of its causes, and no stack', async () => {
    const context = { path: '/data' };
    const error = `new MillraceError('ERR_DISK', 'no room', { context: { path: '/data' }, cause: new UsageError('x', 'x: wrong') })`;
    assert.deepEqual(await logged(error), {
      code: 'ERR_DISK',
      message: 'no room',
      context,
      cause: { code: 'ERR_USAGE', message: 'x: wrong', context: { field: 'x' } },
    });
  });

  it('has the stack of a bug', async () => {
    for (const bug of [`new TypeError('odd')`, `new MillraceError('ERR_INTERNAL', 'odd')`]) {
      assert.match(String((await logged(bug))['stack']), /Error: odd\n {4}at /);
    }
  });
});
