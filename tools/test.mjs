// `./muster test`: build, format, lint, boundaries and every test. The last line is always
// "N passed, N failed, N skipped", with one test each for build, format, lint and boundaries; why anything was skipped
// stands before it. Arguments are passed on to Vitest (`./muster test libs/rule`).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const modules = join(root, 'node_modules');
const summaryFile = join(root, '.test-results/summary.json');
/** Vitest is stopped after this, so that the closing line is printed even when a test hangs. */
const VITEST_MS = 30 * 60_000;

/** Servers that tests start as child processes, and the Debian packages they are in. */
const PROGRAMS = { 'nats-server': 'nats-server', 'redis-server': 'redis-server' };

const failures = [];
let passed = 0;

/** Runs a program with its output shown; true when it ended well. */
function runs(file, args, options = {}) {
  const { status, error } = spawnSync(file, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  });
  if (error) console.error(`${file}: ${error.message}`);
  return status === 0;
}

function check(name, file, args) {
  const started = performance.now();
  const fine = runs(file, args);
  console.log(
    `${fine ? 'passed' : 'FAILED'}  ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
  if (fine) passed += 1;
  else failures.push(name);
  return fine;
}

function isInstalled(program) {
  const folders = [
    ...(process.env.PATH ?? '').split(':'),
    '/usr/sbin',
    '/usr/local/sbin',
    '/opt/homebrew/bin',
  ];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** Installs missing servers where that needs nobody's consent: as root, with apt-get. */
function installServers() {
  const missing = Object.keys(PROGRAMS).filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = missing.map((program) => PROGRAMS[program]);
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.log(`Not installed: ${missing.join(', ')}. Tests that start them will fail.`);
    return;
  }
  console.log(`Installing ${packages.join(', ')} with apt-get`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  runs('apt-get', ['update', '-qq'], options);
  runs('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages], options);
}

/** Runs Vitest over everything and adds what its reporter wrote down. */
function runVitest() {
  mkdirSync(join(root, '.test-results'), { recursive: true });
  rmSync(summaryFile, { force: true });
  const reporters = ['--reporter=default', '--reporter=./tools/test-reporter.mjs'];
  const args = [join(modules, 'vitest/vitest.mjs'), 'run', ...reporters, ...process.argv.slice(2)];
  const fine = runs(process.execPath, args, {
    timeout: VITEST_MS,
    env: { ...process.env, MUSTER_TEST_SUMMARY: summaryFile },
  });
  if (!existsSync(summaryFile)) {
    failures.push('vitest ended without a result');
    return [];
  }
  const summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
  passed += summary.passed;
  failures.push(...summary.failures);
  if (summary.passed + summary.failures.length === 0) failures.push('vitest ran no test');
  if (!fine && summary.failures.length === 0) failures.push('vitest ended badly without naming a test');
  return summary.skips;
}

function printSkips(skips) {
  if (skips.length === 0) return;
  console.log('\nSkipped:');
  for (const { name, reason } of skips) console.log(`  ${name}${reason ? `: ${reason}` : ''}`);
}

installServers();
const node = process.execPath;
const built = check('build', node, [join(modules, 'typescript7/bin/tsc'), '-b']);
check('format', node, [join(modules, 'prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.']);
check('lint', node, [join(modules, 'oxlint/bin/oxlint'), '--deny-warnings', '.']);
check('boundaries', node, ['tools/boundaries.mjs']);
if (!built) console.log('The build failed, so tests that start built programs will fail too.');
const skips = runVitest();

printSkips(skips);
if (failures.length > 0) console.log(`\nFailed:\n${failures.map((name) => `  ${name}`).join('\n')}`);
console.log(`${passed} passed, ${failures.length} failed, ${skips.length} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;
