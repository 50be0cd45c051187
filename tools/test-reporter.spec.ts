import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const FIXTURES = {
  'passes.spec.js': `import { it } from 'vitest'; it('one', () => {}); it('two', () => {});`,
  'fails.spec.js': `import { it, expect } from 'vitest'; it('is wrong', () => expect(1).toBe(2));`,
  'broken.spec.js': `import './nowhere.js'; import { it } from 'vitest'; it('is never seen', () => {});`,
  'hook.spec.js': `import { beforeAll, describe, it } from 'vitest';
    describe('a suite', () => { beforeAll(() => { throw new Error('no server'); }); it('is never run', () => {}); });`,
  'unhandled.spec.js': `import { it } from 'vitest'; it('looks fine', () => { setTimeout(() => { throw new Error('late'); }, 0);
    return new Promise((resolve) => setTimeout(resolve, 50)); });`,
  'skips.spec.js': `import { it } from 'vitest'; it('needs a database', (t) => t.skip('MONGO_URL is not set')); it.skip('says nothing', () => {});`,
};

interface Summary {
  passed: number;
  failures: string[];
  skips: { name: string; reason: string }[];
}
let dir: string;
let summary: Summary;
let code: number;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'muster-reporter-'));
  for (const [name, text] of Object.entries(FIXTURES)) writeFileSync(join(dir, name), text);
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const file = join(dir, 'summary.json');
  const reporter = `--reporter=${join(root, 'tools/test-reporter.mjs')}`;
  const run = promisify(execFile)(process.execPath, [vitest, 'run', '--root', dir, reporter], {
    env: { PATH: process.env['PATH'], MUSTER_TEST_SUMMARY: file },
  });
  code = await run.then(
    () => 0,
    (failure: { code: number }) => failure.code,
  );
  summary = JSON.parse(readFileSync(file, 'utf8')) as Summary;
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('the summary of a test run', () => {
  it('comes with a bad end', () => expect(code).toBe(1));

  it('counts what passed', () => expect(summary.passed).toBe(3));

  it.each([
    ['an assertion', 'fails.spec.js > is wrong'],
    ['a file that cannot be loaded', 'broken.spec.js: could not be run'],
    ['a hook', 'hook.spec.js > a suite: a hook failed'],
    ['an unhandled error', 'unhandled error: late'],
  ])('counts %s that failed', (_what, name) => expect(summary.failures).toContain(name));

  it('counts nothing else as failed', () => expect(summary.failures).toHaveLength(4));

  it('names what was skipped, and why', () => {
    expect(summary.skips).toContainEqual({
      name: 'skips.spec.js > needs a database',
      reason: 'MONGO_URL is not set',
    });
    expect(summary.skips.map(({ name }) => name)).toContain('skips.spec.js > says nothing');
  });
});

describe('the script', () => {
  const muster = join(root, 'muster');
  it('works from any folder and through a link', () => {
    symlinkSync(muster, join(dir, 'linked'));
    expect(execFileSync('./linked', ['help'], { cwd: dir, encoding: 'utf8' })).toContain('usage: ./muster');
  });

  it('refuses a command that does not exist', () => {
    expect(() => execFileSync(muster, ['fly'], { stdio: 'pipe' })).toThrow('there is no command fly');
  });

  it('is a POSIX shell script', () => {
    expect(readFileSync(muster, 'utf8')).toMatch(/^#!\/bin\/sh\n/);
    execFileSync('/bin/sh', ['-n', muster]);
  });
});
