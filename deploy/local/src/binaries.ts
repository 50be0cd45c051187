import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Settings, Store } from './config.js';
import { ownStores } from './plan.js';

/** The stores that are programs of others: how they are called, packaged and asked for their version. */
const PROGRAMS = {
  nats: { program: 'nats-server', apt: 'nats-server', brew: 'nats-server' },
  redis: { program: 'redis-server', apt: 'redis-server', brew: 'redis' },
} as const;

type Packaged = keyof typeof PROGRAMS;

const isPackaged = (store: Store): store is Packaged => store === 'nats' || store === 'redis';

/** Where the program lies on the search path of the stack; undefined when it is not installed. */
export function find(program: string, path: string): string | undefined {
  return path
    .split(':')
    .map((folder) => join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** `2.9.10` out of what the program prints; undefined when it prints none. */
export function versionOf(file: string): string | undefined {
  try {
    return /v[=]?(\d+\.\d+\.\d+)/.exec(execFileSync(file, ['--version'], { encoding: 'utf8' }))?.[1];
  } catch {
    return undefined;
  }
}

export interface Binary {
  store: Packaged;
  program: string;
  file?: string;
  version?: string;
}

/** The programs that this stack has to start, and whether they are there. */
export function binaries(settings: Settings): Binary[] {
  return ownStores(settings)
    .filter(isPackaged)
    .map((store) => {
      const { program } = PROGRAMS[store];
      const file = find(program, settings.inherited['PATH'] ?? '');
      return file ? { store, program, file, version: versionOf(file) } : { store, program };
    });
}

/** The commands that install the missing programs; undefined on a system whose package manager is not known. */
export function installCommands(
  missing: readonly Packaged[],
  system: { apt: boolean; brew: boolean; root: boolean; sudo: boolean },
): string[][] | undefined {
  if (system.apt) {
    const rights = system.root ? [] : ['sudo'];
    if (!system.root && !system.sudo) return undefined;
    const packages = missing.map((store) => PROGRAMS[store].apt);
    return [
      [...rights, 'apt-get', 'update'],
      [...rights, 'apt-get', 'install', '-y', '--no-install-recommends', ...packages],
    ];
  }
  return system.brew ? [['brew', 'install', ...missing.map((store) => PROGRAMS[store].brew)]] : undefined;
}

async function agreed(settings: Settings): Promise<boolean> {
  if (settings.yes || !process.stdin.isTTY) return true;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Run it? [Y/n] ');
  terminal.close();
  return /^(y|yes|)$/i.test(answer.trim());
}

/**
 * Installs what is missing with the package manager of the system, after printing the commands and, at a terminal,
 * asking. Throws with what to do by hand when that is not possible.
 */
export async function ensureBinaries(settings: Settings, say: (line: string) => void): Promise<void> {
  const missing = binaries(settings).filter(({ file }) => file === undefined);
  if (missing.length === 0) return;
  const names = missing.map(({ program }) => program).join(' and ');
  const path = settings.inherited['PATH'] ?? '';
  const commands = installCommands(
    missing.map(({ store }) => store),
    {
      apt: find('apt-get', path) !== undefined,
      brew: find('brew', path) !== undefined,
      root: process.getuid?.() === 0,
      sudo: find('sudo', path) !== undefined,
    },
  );
  const byHand = `Install ${names}, or give the address of a running one in NATS_URL or REDIS_URL.`;
  if (!commands) {
    throw new Error(`${names} not found, and it cannot be installed here without root or sudo. ${byHand}`);
  }
  say(`${names} not found. To be installed by:`);
  for (const command of commands) say(`  ${command.join(' ')}`);
  if (!(await agreed(settings))) throw new Error(byHand);
  for (const [file = '', ...args] of commands) {
    const env = { ...settings.inherited, DEBIAN_FRONTEND: 'noninteractive' };
    const { status } = spawnSync(file, args, { stdio: ['inherit', 'ignore', 'inherit'], env });
    if (status !== 0) throw new Error(`${[file, ...args].join(' ')} failed. ${byHand}`);
  }
}
