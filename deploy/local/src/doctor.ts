import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { binaries } from './binaries.js';
import { ADDRESSES, repository, STORES, type Settings, type Store } from './config.js';
import { dataFolder, neededPorts, ownStores, SERVICES } from './plan.js';
import { takenPorts } from './ports.js';
import { answers } from './ready.js';
import { runningStack } from './state.js';

/** error: the stack or production would not work; weaker: works, but production should not be like it. */
export interface Finding {
  level: 'ok' | 'weaker' | 'error';
  text: string;
}

const ok = (text: string): Finding => ({ level: 'ok', text });
const weaker = (text: string): Finding => ({ level: 'weaker', text });
const error = (text: string): Finding => ({ level: 'error', text });

const NODE_NEEDED = [20, 19] as const;
const NATS_NEEDED = [2, 9] as const;
/** Everything older lacks fixes of the advisories of March and June 2026. */
const NATS_PRODUCTION = [2, 11] as const;
const REDIS_NEEDED = [6, 2] as const;
const FREE_BYTES_NEEDED = 1024 ** 3;

/** Whether a version such as `2.9.10` is at least `needed`; only major and minor count. */
export function isAtLeast(version: string, needed: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > needed[0] || (major === needed[0] && minor >= needed[1]);
}

export function nodeFinding(version: string): Finding {
  if (!isAtLeast(version, NODE_NEEDED)) return error(`Node ${version} is too old: 20.19 or newer is needed`);
  if (isAtLeast(version, [22, 0])) return ok(`Node ${version}`);
  return weaker(`Node ${version} works, but its line gets no more security fixes; images use Node 24`);
}

function programFindings(settings: Settings): Finding[] {
  return binaries(settings).map(({ store, program, file, version }) => {
    if (!file) return error(`${program} is not installed: ./muster up installs it`);
    const text = `${program} ${version ?? 'of unknown version'} (${file})`;
    const needed = store === 'nats' ? NATS_NEEDED : REDIS_NEEDED;
    if (!version || !isAtLeast(version, needed))
      return error(`${text}: ${needed.join('.')} or newer is needed`);
    return natsOr(store, version, text);
  });
}

function natsOr(store: Store, version: string, text: string): Finding {
  if (store !== 'nats' || isAtLeast(version, NATS_PRODUCTION)) return ok(text);
  return weaker(`${text}: enough for one machine; production needs 2.11.16 or 2.12.7 and newer`);
}

function buildFindings(): Finding[] {
  const mains = [
    ...SERVICES.map((name) => `services/${name}`),
    'libs/embedded-eventstore',
    'libs/embedded-mongo',
  ];
  const missing = mains.filter((folder) => !existsSync(join(repository, folder, 'dist/main.js')));
  return missing.length === 0
    ? [ok('everything is built')]
    : [error(`not built: ${missing.join(', ')}; ./muster up builds it, and prints what stops it`)];
}

async function nativeFinding(): Promise<Finding> {
  try {
    const name: string = 'better-sqlite3';
    const { default: Database } = (await import(name)) as {
      default: new (file: string) => { close(): void };
    };
    new Database(':memory:').close();
    return ok('better-sqlite3 loads');
  } catch {
    return error(
      'better-sqlite3 cannot be loaded: ./muster up compiles it (needs python3, make and a C++ compiler)',
    );
  }
}

async function portFindings(settings: Settings): Promise<Finding[]> {
  const running = runningStack(settings);
  if (running) return [ok(`Muster is running: ${running.url} (process ${running.pid})`)];
  const needed = neededPorts(settings);
  const taken = await takenPorts(settings.ports, needed);
  const first = settings.ports.gateway;
  return [taken ? error(taken) : ok(`ports from ${first} to ${settings.ports.redis} are free`)];
}

function folderFindings(settings: Settings): Finding[] {
  const folder = existsSync(settings.state) ? settings.state : repository;
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const text = `${(free / 1024 ** 3).toFixed(1)} GiB free for ${dataFolder(settings, 'eventstore')}`;
  return [free < FREE_BYTES_NEEDED ? error(`only ${text}`) : ok(text)];
}

/** Host and port of an address, when it names one that can be tried with a plain TCP connection. */
export function hostAndPort(store: Store, address: string): { host: string; port: number } | undefined {
  if (/\+(srv|discover):/.test(address)) return undefined;
  const hosts = /^[^/]+:\/\/(?:[^@/]*@)?([^/?]+)/.exec(address)?.[1];
  const first = hosts?.split(',')[0];
  const match = first ? /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(first) : null;
  if (!match) return undefined;
  const usual = { eventstore: 2113, mongo: 27_017, nats: 4222, redis: 6379 }[store];
  return { host: (match[1] as string).replace(/^\[|\]$/g, ''), port: Number(match[2] ?? usual) };
}

async function addressFindings(settings: Settings): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const store of STORES) {
    const address = settings.external[store];
    if (address === undefined) continue;
    const { variable } = ADDRESSES[store];
    const target = hostAndPort(store, address);
    if (!target) findings.push(ok(`${variable} is set (found by name service; not tried)`));
    else if (await answers(target)) findings.push(ok(`${variable}: ${target.host}:${target.port} answers`));
    else findings.push(error(`${variable}: ${target.host}:${target.port} does not answer`));
  }
  return findings;
}

/** What makes a Redis lose jobs: eviction, and no append-only file. */
export function redisFindings(config: Readonly<Record<string, string>>): Finding[] {
  const policy = config['maxmemory-policy'];
  const findings: Finding[] = [];
  if (policy === undefined)
    findings.push(weaker('REDIS_URL: CONFIG is not allowed, so check noeviction and AOF there'));
  else if (policy === 'noeviction') findings.push(ok('REDIS_URL: never evicts'));
  else
    findings.push(error(`REDIS_URL: maxmemory-policy is ${policy} and must be noeviction, or jobs get lost`));
  if (config['appendonly'] === 'no') {
    findings.push(
      error('REDIS_URL: appendonly is off, so jobs do not survive a restart; set appendonly yes'),
    );
  }
  return findings;
}

async function redisConfig(address: string): Promise<Record<string, string> | undefined> {
  const options = {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    connectTimeout: 3_000,
    retryStrategy: () => null,
  };
  const redis = new Redis(address, options);
  redis.on('error', () => undefined);
  try {
    await redis.connect();
  } catch {
    return undefined;
  }
  try {
    const pairs: string[] = [];
    for (const name of ['maxmemory-policy', 'appendonly']) {
      pairs.push(...((await redis.config('GET', name)) as string[]));
    }
    const at = (index: number): [string, string] => [pairs[index] as string, pairs[index + 1] as string];
    return Object.fromEntries(pairs.flatMap((_, index) => (index % 2 === 0 ? [at(index)] : [])));
  } catch {
    return {};
  } finally {
    redis.disconnect();
  }
}

async function externalRedisFindings(settings: Settings): Promise<Finding[]> {
  const address = settings.external.redis;
  if (address === undefined) return [];
  const config = await redisConfig(address);
  return config ? redisFindings(config) : [];
}

/** What is set only by half, and what runs on one machine although production would not. */
export function shapeFindings(settings: Settings): Finding[] {
  const own = ownStores(settings);
  const { external, masterKey } = settings;
  const findings: Finding[] = [];
  if ((external.eventstore === undefined) !== (external.mongo === undefined)) {
    const [set, unset] = external.mongo ? ['MONGO_URL', 'EVENTSTORE_URL'] : ['EVENTSTORE_URL', 'MONGO_URL'];
    findings.push(
      error(
        `${set} is set and ${unset} is not: events and the keys that decrypt them belong side by side, set both`,
      ),
    );
  }
  if (external.eventstore !== undefined && masterKey === undefined) {
    findings.push(
      weaker(
        'MASTER_KEY is not set: the key for the data in EVENTSTORE_URL lies only in .muster/secrets.json',
      ),
    );
  }
  if (external.redis !== undefined && external.redis.startsWith('redis://') && !/@/.test(external.redis)) {
    findings.push(weaker('REDIS_URL has neither password nor TLS'));
  }
  if (own.includes('eventstore'))
    findings.push(weaker('events: the embedded server, for one machine only; production has KurrentDB'));
  if (own.includes('mongo'))
    findings.push(
      weaker('documents: the embedded server, for one machine only; production has a MongoDB replica set'),
    );
  if (own.length > 0)
    findings.push(
      weaker(`one machine, one copy: ${own.join(', ')} ${own.length > 1 ? 'are' : 'is'} lost with its disk`),
    );
  return findings;
}

/** Everything that is missing, misconfigured, or weaker than production, in the order in which it should be mended. */
export async function examine(settings: Settings): Promise<Finding[]> {
  return [
    nodeFinding(process.versions.node),
    await nativeFinding(),
    ...buildFindings(),
    ...programFindings(settings),
    ...(await portFindings(settings)),
    ...folderFindings(settings),
    ...(await addressFindings(settings)),
    ...(await externalRedisFindings(settings)),
    ...shapeFindings(settings),
  ];
}

const MARKS = { ok: 'ok     ', weaker: 'weaker ', error: 'ERROR  ' } as const;

/** Prints the findings; answers the exit code: 1 when there is an error, else 0. */
export async function doctor(settings: Settings, say: (line: string) => void): Promise<number> {
  const findings = await examine(settings);
  for (const { level, text } of findings) say(MARKS[level] + text);
  const errors = findings.filter(({ level }) => level === 'error').length;
  const weak = findings.filter(({ level }) => level === 'weaker').length;
  say(`${errors} ${errors === 1 ? 'error' : 'errors'}, ${weak} weaker than production`);
  return errors > 0 ? 1 : 0;
}
