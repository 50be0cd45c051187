import { resolve } from 'node:path';
import { DEFAULT_FIRST_PORT, portBlock, type Ports } from './ports.js';

/** The folder of the repository, from src and from dist alike. */
export const repository = resolve(import.meta.dirname, '../../..');

export const STORES = ['eventstore', 'mongo', 'nats', 'redis'] as const;
export type Store = (typeof STORES)[number];

/** The variable that holds the address of a store which runs elsewhere, and the schemes it may have. */
export const ADDRESSES: Readonly<Record<Store, { variable: string; schemes: readonly string[] }>> = {
  eventstore: {
    variable: 'EVENTSTORE_URL',
    schemes: ['esdb', 'esdb+discover', 'kurrentdb', 'kurrentdb+discover'],
  },
  mongo: { variable: 'MONGO_URL', schemes: ['mongodb', 'mongodb+srv'] },
  nats: { variable: 'NATS_URL', schemes: ['nats', 'tls'] },
  redis: { variable: 'REDIS_URL', schemes: ['redis', 'rediss'] },
};

export interface Settings {
  command: 'up' | 'doctor' | 'reset';
  /** Folder of everything the stack keeps: data, logs, keys, run.json. */
  state: string;
  ports: Ports;
  /** Addresses of stores that run elsewhere; the stack starts the others. */
  external: Partial<Record<Store, string>>;
  masterKey?: string;
  operatorKey?: string;
  publicUrl?: string;
  logLevel: string;
  demo: boolean;
  yes: boolean;
  reset: boolean;
  /** The environment that every child inherits before its own variables are set. */
  inherited: Readonly<Record<string, string>>;
}

/** A wrong variable or option, said so that it can be put right; never with the value of a variable. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A variable that is set to nothing counts as not set, as in shells. */
function variable(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value.trim() === '' ? undefined : value.trim();
}

function externalAddresses(env: Environment): Partial<Record<Store, string>> {
  const found: Partial<Record<Store, string>> = {};
  for (const store of STORES) {
    const { variable: name, schemes } = ADDRESSES[store];
    const value = variable(env, name);
    if (value === undefined) continue;
    const scheme = /^([a-z+]+):\/\/[^/]/.exec(value)?.[1];
    if (scheme === undefined || !schemes.includes(scheme)) {
      throw new SettingsError(`${name} must start with ${schemes.map((one) => `${one}://`).join(' or ')}`);
    }
    found[store] = value;
  }
  return found;
}

function masterKey(env: Environment): string | undefined {
  const value = variable(env, 'MASTER_KEY');
  if (value !== undefined && Buffer.from(value, 'base64').length !== 32) {
    throw new SettingsError('MASTER_KEY must be 32 bytes in base64, as from: openssl rand -base64 32');
  }
  return value;
}

function publicUrl(env: Environment): string | undefined {
  const value = variable(env, 'PUBLIC_URL');
  if (value !== undefined && !/^https?:\/\/[^/]/.test(value)) {
    throw new SettingsError('PUBLIC_URL must start with http:// or https://');
  }
  return value?.replace(/\/+$/, '');
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];
const OPERATOR_KEY_MIN = 24;

function logLevel(env: Environment): string {
  const value = variable(env, 'LOG_LEVEL') ?? 'info';
  if (!LOG_LEVELS.includes(value))
    throw new SettingsError(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}`);
  return value;
}

function operatorKey(env: Environment): string | undefined {
  const value = variable(env, 'OPERATOR_KEY');
  if (value !== undefined && value.length < OPERATOR_KEY_MIN) {
    throw new SettingsError(`OPERATOR_KEY must have at least ${OPERATOR_KEY_MIN} characters`);
  }
  return value;
}

interface Options {
  flags: Set<string>;
  values: Map<string, string>;
}

const FLAGS = ['--yes', '--no-demo', '--reset'];
const VALUES = ['--ports', '--state'];

function options(args: readonly string[]): Options {
  const found: Options = { flags: new Set(), values: new Map() };
  for (let at = 0; at < args.length; at += 1) {
    const [name = '', inline] = (args[at] as string).split(/=(.*)/s, 2);
    if (FLAGS.includes(name) && inline === undefined) found.flags.add(name);
    else if (VALUES.includes(name)) {
      const value = inline ?? args[(at += 1)];
      if (value === undefined || value === '') throw new SettingsError(`${name} needs a value`);
      found.values.set(name, value);
    } else throw new SettingsError(`There is no option ${args[at]}. See: ./muster help`);
  }
  return found;
}

function blockOf(found: Options): Ports {
  try {
    return portBlock(Number(found.values.get('--ports') ?? DEFAULT_FIRST_PORT));
  } catch (error) {
    throw new SettingsError((error as Error).message);
  }
}

/** Distributions put servers into folders that are not on everybody's path. */
function searchPath(path: string): string {
  const usual = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/opt/homebrew/bin'];
  return [...new Set([...path.split(':').filter((folder) => folder !== ''), ...usual])].join(':');
}

/** Reads the command line and the environment. Throws a SettingsError that names what is wrong. */
export function readSettings(args: readonly string[], env: Environment): Settings {
  const [command, ...rest] = args;
  if (command !== 'up' && command !== 'doctor' && command !== 'reset') {
    throw new SettingsError(`There is no command ${command ?? ''}. See: ./muster help`);
  }
  const found = options(rest);
  const inherited = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    command,
    state: resolve(found.values.get('--state') ?? resolve(repository, '.muster')),
    ports: blockOf(found),
    external: externalAddresses(env),
    masterKey: masterKey(env),
    operatorKey: operatorKey(env),
    publicUrl: publicUrl(env),
    logLevel: logLevel(env),
    demo: !found.flags.has('--no-demo'),
    yes: found.flags.has('--yes'),
    reset: found.flags.has('--reset'),
    inherited: { ...Object.fromEntries(inherited), PATH: searchPath(env['PATH'] ?? '') },
  };
}

/** The settings of this process. */
export function settingsOfProcess(): Settings {
  return readSettings(process.argv.slice(2), process.env);
}
