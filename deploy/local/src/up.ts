import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { ensureBinaries } from './binaries.js';
import type { Settings } from './config.js';
import { gatewayUrl, neededPorts, plan } from './plan.js';
import { takenPorts } from './ports.js';
import { Stack } from './stack.js';
import {
  loadSecrets,
  prepareState,
  readRun,
  releaseLock,
  runningStack,
  takeLock,
  wipe,
  writeRun,
  type Run,
} from './state.js';
import { isKnown, printCounts, takeTour } from './tour.js';

type Say = (line: string) => void;

function isEmbedded(settings: Settings): boolean {
  return !settings.external.eventstore || !settings.external.mongo;
}

function printAddresses(settings: Settings, run: Run, say: Say): void {
  say('');
  say(`Muster runs:  ${run.url}`);
  say(`API docs:     ${run.url}/docs`);
  if (run.demo) say(`API key:      ${run.demo.apiKey} (demo account ${run.demo.accountId})`);
  say(`Operator key: in ${join(settings.state, 'run.json')}`);
  say(`Logs:         ${join(settings.state, 'logs')}`);
  if (isEmbedded(settings))
    say('Event store and documents are the embedded servers, for one machine; see ./muster doctor');
  say('Ctrl-C stops everything. The data stay.');
}

/** Shows the demo data, or makes them at the first start. Throws when the tour does not get to its end. */
async function demo(settings: Settings, run: Run, say: Say): Promise<Run> {
  if (!settings.demo) return run;
  const keep = (changed: Run): void => writeRun(settings, changed);
  const known = await isKnown(run);
  if (known && run.toured) {
    await printCounts(run, say);
    return run;
  }
  const { url, operatorKey } = run;
  return takeTour({ run: known ? run : { url, operatorKey }, say, keep });
}

/** Resolves when the stack is to end: Ctrl-C, SIGTERM, or the terminal is closed. A second one kills everything. */
function untilAskedToEnd(stack: Stack, say: Say): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const end = (signal: NodeJS.Signals): void => {
      if (asked && signal !== 'SIGHUP') {
        stack.kill();
        return;
      }
      asked = true;
      say(`${signal}: stopping, the gateway first and the stores last (again to kill)`);
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  });
}

async function run(settings: Settings, say: Say): Promise<number> {
  const started = performance.now();
  await ensureBinaries(settings, say);
  const taken = await takenPorts(settings.ports, neededPorts(settings));
  if (taken) {
    say(taken);
    return 1;
  }
  prepareState(settings);
  const secrets = loadSecrets(settings);
  const logs = join(settings.state, 'logs');
  const stack = new Stack(plan(settings, secrets), { logs, inherited: settings.inherited, say });
  let isAsked = false;
  const asked = untilAskedToEnd(stack, say);
  const ended = asked.then(() => {
    isAsked = true;
    return stack.stop();
  });
  try {
    say(`Starting Muster on ports from ${settings.ports.gateway}; state in ${settings.state}`);
    const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);
    await stack.start((names) => say(`  ${seconds()} s  ${names.join(', ')}`));
    const known: Run = { ...readRun(settings), url: gatewayUrl(settings), operatorKey: secrets.operatorKey };
    writeRun(settings, known);
    const shown = demo(settings, known, say).catch((failure: Error) => {
      if (!isAsked) say(`The tour did not get to its end: ${failure.message}`);
    });
    await Promise.race([shown, asked]);
    if (!isAsked) printAddresses(settings, readRun(settings) ?? known, say);
    await ended;
  } catch (failure) {
    if (!isAsked) throw failure;
  } finally {
    await stack.stop();
  }
  say('Stopped');
  return 0;
}

/** `muster up`: answers the exit code when the stack has ended. */
export async function up(settings: Settings, say: Say): Promise<number> {
  const url = gatewayUrl(settings);
  prepareState(settings);
  const other = takeLock(settings, url);
  if (other) {
    say(`Muster is already running: ${other.url} (process ${other.pid}). Stop it with Ctrl-C there.`);
    return 0;
  }
  try {
    if (settings.reset) wipe(settings);
    return await run(settings, say);
  } finally {
    releaseLock(settings);
  }
}

async function confirmed(settings: Settings, say: Say): Promise<boolean> {
  if (settings.yes) return true;
  if (!process.stdin.isTTY) {
    say('Nobody can be asked here: repeat with --yes');
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`Delete all data, logs and keys in ${settings.state}? [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** `muster reset`: deletes data, logs and keys of this folder, never anything in stores that run elsewhere. */
export async function reset(settings: Settings, say: Say): Promise<number> {
  const running = runningStack(settings);
  if (running) {
    say(`Muster is running: ${running.url} (process ${running.pid}). Stop it first.`);
    return 1;
  }
  if (!existsSync(settings.state)) {
    say(`There is nothing in ${settings.state}`);
    return 0;
  }
  if (!(await confirmed(settings, say))) return 1;
  takeLock(settings, '');
  wipe(settings);
  releaseLock(settings);
  say(`Deleted what was in ${settings.state}`);
  const elsewhere = Object.keys(settings.external);
  if (elsewhere.length > 0) say(`Left alone, because it runs elsewhere: ${elsewhere.join(', ')}`);
  return 0;
}
