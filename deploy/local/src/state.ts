import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from './config.js';
import type { Secrets } from './plan.js';

const LOGS_KEPT = 3;

export interface Demo {
  accountId: string;
  apiKey: string;
}

/** What a script needs to talk to the stack; readable by its owner only. */
export interface Run {
  url: string;
  operatorKey: string;
  demo?: Demo;
  /** Whether the demo data are complete. */
  toured?: boolean;
}

interface Lock {
  pid: number;
  url: string;
}

const path = (settings: Settings, name: string): string => join(settings.state, name);

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Replaces a file of secrets in one step, so that a crash leaves the old or the new one. */
function writePrivate(file: string, value: unknown): void {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** Moves the last logs of a process aside (`name.log.1` is the newest of them) and answers the file for the new one. */
export function rotatedLog(folder: string, name: string): string {
  const file = join(folder, `${name}.log`);
  for (let age = LOGS_KEPT - 1; age >= 0; age -= 1) {
    const from = age === 0 ? file : `${file}.${age}`;
    if (existsSync(from)) renameSync(from, `${file}.${age + 1}`);
  }
  writeFileSync(file, '', { mode: 0o600 });
  return file;
}

/** Makes the state folder, which nobody else may read. */
export function prepareState(settings: Settings): void {
  mkdirSync(path(settings, 'data'), { recursive: true, mode: 0o700 });
  for (const name of ['eventstore', 'mongo', 'nats', 'redis', 'imports']) {
    mkdirSync(join(path(settings, 'data'), name), { recursive: true, mode: 0o700 });
  }
}

/**
 * The keys of this stack: from the environment where given, else those made at the first start. Throws when there are
 * data whose key is gone or another one, because nobody could ever read them again.
 */
export function loadSecrets(settings: Settings): Secrets {
  const file = path(settings, 'secrets.json');
  const stored = readJson<Secrets>(file);
  const given = settings.masterKey;
  if (!stored && !given && hasData(settings)) {
    throw new Error(`${file} is missing or damaged, and the data cannot be read without the key in it`);
  }
  if (stored && given && stored.masterKey !== given && hasData(settings)) {
    throw new Error(`MASTER_KEY is not the key that the data in ${settings.state} were written with`);
  }
  const secrets: Secrets = {
    masterKey: given ?? stored?.masterKey ?? randomBytes(32).toString('base64'),
    operatorKey: settings.operatorKey ?? stored?.operatorKey ?? `op_${randomBytes(24).toString('base64url')}`,
  };
  if (JSON.stringify(secrets) !== JSON.stringify(stored)) writePrivate(file, secrets);
  return secrets;
}

/** Whether the event store of this stack, the truth of everything, has been written to. */
function hasData(settings: Settings): boolean {
  const folder = join(settings.state, 'data', 'eventstore');
  return existsSync(folder) && readdirSync(folder).length > 0;
}

export const readRun = (settings: Settings): Run | undefined => readJson<Run>(path(settings, 'run.json'));

export function writeRun(settings: Settings, run: Run): void {
  writePrivate(path(settings, 'run.json'), run);
}

/** The command line of a process; undefined when there is no such process, empty when it cannot be told. */
function commandOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : undefined;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    try {
      return execFileSync('ps', ['-p', `${pid}`, '-o', 'command='], { encoding: 'utf8' });
    } catch {
      return '';
    }
  }
}

/** The stack that runs on this state folder, if one does. A lock left by a killed one, or a reused number, is none. */
export function runningStack(settings: Settings): Lock | undefined {
  const lock = readJson<Lock>(path(settings, 'up.lock'));
  if (!lock || lock.pid === process.pid) return undefined;
  const command = commandOf(lock.pid);
  return command === undefined || !/deploy\/local\/dist\/main\.js|^$/.test(command) ? undefined : lock;
}

/** Takes the state folder for this process, or answers who has it. */
export function takeLock(settings: Settings, url: string): Lock | undefined {
  const file = path(settings, 'up.lock');
  const mine: Lock = { pid: process.pid, url };
  for (;;) {
    try {
      writeFileSync(file, JSON.stringify(mine), { flag: 'wx', mode: 0o600 });
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = runningStack(settings);
    if (other) return other;
    rmSync(file, { force: true });
  }
}

export function releaseLock(settings: Settings): void {
  if (readJson<Lock>(path(settings, 'up.lock'))?.pid === process.pid) rmSync(path(settings, 'up.lock'));
}

/** Removes everything the stack keeps, its lock excepted. */
export function wipe(settings: Settings): void {
  for (const name of ['data', 'logs', 'run.json', 'secrets.json']) {
    rmSync(path(settings, name), { recursive: true, force: true });
  }
}
