import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import {
  createReporter,
  formatBytes,
  formatCount,
  formatDuration,
  type Reporter,
} from '../../../../lib/platform/progress.js';

class Sink extends Writable {
  text = '';
  constructor(readonly isTTY: boolean) {
    super();
  }
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

interface Stage {
  readonly reporter: Reporter;
  readonly out: Sink;
  readonly err: Sink;
  readonly clock: { ms: number };
}

function reporterOn(kind: 'terminal' | 'pipe' | 'json'): Stage {
  const out = new Sink(false);
  const err = new Sink(kind === 'terminal');
  const clock = { ms: 0 };
  const reporter = createReporter({ json: kind === 'json', stdout: out, stderr: err, now: () => clock.ms });
  return { reporter, out, err, clock };
}

describe('a progress reporter', () => {
  it('says rate, share and time left in plain lines when piped, and not too often', () => {
    const { reporter, out, err, clock } = reporterOn('pipe');
    for (let done = 0; done <= 100; done += 10) {
      reporter.progress({ stage: 'download', unit: 'bytes', done: done * 1000, total: 100_000 });
      clock.ms += 500;
    }
    reporter.close();
    const lines = err.text.trimEnd().split('\n');
    assert.equal(lines.length, 4);
    assert.match(lines[1], /download +40 % {2}40.0 kB of 100.0 kB {2}20.0 kB\/s {2}3 s left/);
    assert.match(lines[3], /100 % {2}100.0 kB of 100.0 kB {2}20.0 kB\/s$/);
    assert.equal(out.text, '');
  });

  it('redraws one line on a terminal, and ends it with the stage', () => {
    const { reporter, err, clock } = reporterOn('terminal');
    reporter.progress({ stage: 'a', unit: 'images', done: 1, total: 3 });
    clock.ms += 1000;
    reporter.progress({ stage: 'a', unit: 'images', done: 2, total: 3 });
    reporter.progress({ stage: 'b', unit: 'images', done: 0, total: 3 });
    reporter.close();
    assert.equal(err.text.split('\n').length, 3);
    assert.equal(err.text.split('\r').length, 4);
  });

  it('tells programs one JSON object a line on stdout, and nothing on stderr', () => {
    const { reporter, out, err } = reporterOn('json');
    reporter.progress({ stage: 'train', unit: 'steps', done: 3, total: 9, detail: 'loss 1.5' });
    reporter.event('snapshot', 'snapshot written', { path: 'x' });
    reporter.close();
    const [progress, event] = out.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      [progress['event'], progress['stage'], progress['done'], progress['detail']],
      ['progress', 'train', 3, 'loss 1.5'],
    );
    assert.deepEqual(event, { event: 'snapshot', path: 'x', message: 'snapshot written' });
    assert.equal(err.text, '');
  });

  it('tells no rate of what was there already', () => {
    const { reporter, err, clock } = reporterOn('pipe');
    reporter.progress({ stage: 'prepare', unit: 'images', done: 64, total: 1_400 });
    clock.ms += 5;
    reporter.progress({ stage: 'prepare', unit: 'images', done: 1_400, total: 1_400 });
    const lines = err.text.split('\n').map((line) => line.replace(/ +/g, ' '));
    assert.deepEqual(lines, ['prepare 5 % 64 of 1,400 images', 'prepare 100 % 1,400 of 1,400 images', '']);
  });

  it('counts the rate from where a resumed stage began', () => {
    const { reporter, err, clock } = reporterOn('pipe');
    reporter.progress({ stage: 'download', unit: 'bytes', done: 900_000, total: 1_000_000 });
    clock.ms += 2000;
    reporter.progress({ stage: 'download', unit: 'bytes', done: 950_000, total: 1_000_000 });
    assert.match(err.text.split('\n')[1], /25.0 kB\/s {2}2 s left/);
  });
});

describe('amounts', () => {
  it('are written for people', () => {
    assert.deepEqual([0, 999, 1000, 147_897_477_120].map(formatBytes), ['0 B', '999 B', '1.0 kB', '147.9 GB']);
    assert.deepEqual(
      [0, 1, 1_998].map((count) => formatCount(count, 'sample')),
      ['0 samples', '1 sample', '1,998 samples'],
    );
    assert.deepEqual([0, 59.4, 60, 3661].map(formatDuration), ['0 s', '59 s', '1 min 0 s', '1 h 1 min']);
  });
});
