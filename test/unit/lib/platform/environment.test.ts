import assert from 'node:assert/strict';
import { UsageError } from '../../../../lib/core/errors.js';
import { readEnvironment } from '../../../../lib/platform/environment.js';

describe('the environment', () => {
  it('has defaults relative to the working folder', () => {
    const environment = readEnvironment({}, '/somewhere/project');
    assert.deepEqual(environment, {
      root: '/somewhere/project/.millrace',
      logLevel: 'warn',
      testData: '/somewhere/shared/data',
      drainMs: 10_000,
      turbojpeg: undefined,
      memoryMib: 256,
      allowSoftwareGpu: false,
      proxy: { http: undefined, https: undefined, noProxy: undefined },
    });
  });

  it('names the proxies, the lower-case variables first', () => {
    const { proxy } = readEnvironment({
      HTTP_PROXY: 'http://a',
      http_proxy: 'http://b',
      NO_PROXY: 'c',
      https_proxy: '',
    });
    assert.deepEqual(proxy, { http: 'http://b', https: undefined, noProxy: 'c' });
  });

  it('is read from MILLRACE_*, where empty means not set', () => {
    const env = { MILLRACE_ROOT: '/data', MILLRACE_LOG_LEVEL: '', MILLRACE_DRAIN_MS: '5' };
    const { root, logLevel, drainMs } = readEnvironment(env, '/');
    assert.deepEqual([root, logLevel, drainMs], ['/data', 'warn', 5]);
  });

  for (const [name, value] of [
    ['MILLRACE_LOG_LEVEL', 'loud'],
    ['MILLRACE_DRAIN_MS', '-1'],
    ['MILLRACE_DRAIN_MS', 'soon'],
    ['MILLRACE_SOFTWARE_GPU', 'maybe'],
  ]) {
    it(`refuses ${name}=${value}, naming it`, () => {
      assert.throws(
        () => readEnvironment({ [name]: value }, '/'),
        (error: unknown) =>
          error instanceof UsageError && error.field === name && error.message.includes(`got "${value}"`),
      );
    });
  }
});
