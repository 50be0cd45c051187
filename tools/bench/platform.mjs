import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const CLOCK_TICKS_PER_SECOND = 100;

/** Processor seconds that a process and everything below it have used so far. */
export function cpuOf(pid) {
  const parents = new Map();
  const used = new Map();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(entry), Number(fields[1]));
      used.set(Number(entry), (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND);
    } catch {
      continue;
    }
  }
  const isBelow = (child) => {
    for (let at = child; at > 1; at = parents.get(at) ?? 0) if (at === pid) return true;
    return false;
  };
  return [...used].filter(([child]) => isBelow(child)).reduce((sum, [, seconds]) => sum + seconds, 0);
}

/** Every service and embedded server below the supervisor: its resident memory in MB and the processor seconds it used so far. */
export function processesOf(pid) {
  const found = {};
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (Number(fields[1]) !== pid) continue;
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
      const name = /(?:services|libs)\/([\w-]+)\/dist|(nats|redis)-server/.exec(command);
      const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1];
      if (!name || !rss) continue;
      const cpu = (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
      found[name[1] ?? name[2]] = { memory: Math.round(Number(rss) / 1024), cpu };
    } catch {
      continue;
    }
  }
  return found;
}

/** Starts everything with state of its own and opens an account with three fields. */
export async function startPlatform(ports) {
  const state = mkdtempSync(join(tmpdir(), 'muster-bench-'));
  const main = join(root, 'deploy/local/dist/main.js');
  const child = spawn(
    process.execPath,
    [main, 'up', '--no-demo', '--yes', '--state', state, '--ports', String(ports)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise((done) => child.once('exit', done));
  await new Promise((ready, failed) => {
    let seen = '';
    child.stdout.on('data', (chunk) => {
      seen += chunk;
      if (seen.includes('Muster runs')) ready();
    });
    child.once('exit', () => failed(new Error(`the platform did not start:\n${seen}`)));
  });
  const run = JSON.parse(readFileSync(join(state, 'run.json'), 'utf8'));
  const api = (key) => (method, path, body) => call(run.url + path, method, body, key);
  const { account, apiKey } = await api(run.operatorKey)('POST', '/v1/accounts', {
    name: 'Bench',
    timeZone: 'UTC',
    defaultCountry: 'US',
  });
  const request = api(apiKey);
  await request('POST', '/v1/fields', { key: 'city', name: 'City', type: 'text' });
  await request('POST', '/v1/fields', { key: 'age', name: 'Age', type: 'number' });
  const stop = async () => {
    child.kill('SIGINT');
    await ended;
    rmSync(state, { recursive: true, force: true });
  };
  return { url: run.url, ports, state, account, apiKey, request, pid: child.pid, stop };
}

async function call(url, method, body, key) {
  const isJson = body !== undefined && !(body instanceof FormData);
  const headers = {
    authorization: `Bearer ${key}`,
    ...(isJson ? { 'content-type': 'application/json' } : {}),
  };
  const response = await fetch(url, {
    method,
    headers,
    ...(body ? { body: isJson ? JSON.stringify(body) : body } : {}),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${new URL(url).pathname}: ${response.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

/** A file of people whose numbers are all different; `from` shifts the numbers, so that two files share none. */
export function peopleCsv(rows, from = 0) {
  const lines = ['First name,Last name,Mobile,E-mail,City,Age'];
  for (let n = from; n < from + rows; n += 1) {
    const number = `+1${415 + Math.floor(n / 8_000_000)}${2_000_000 + (n % 8_000_000)}`;
    lines.push(`Person,Number ${n},${number},p${n}@example.com,${n % 2 ? 'Haifa' : 'Lyon'},${18 + (n % 60)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Uploads, maps and starts an import and waits for its end; answers its counts and the seconds from start to visible. */
export async function runImport(platform, csv) {
  const form = new FormData();
  form.append('file', new Blob([csv]), 'people.csv');
  const { id } = await platform.request('POST', '/v1/imports', form);
  const columns = ['firstName', 'lastName', 'phone', 'email', 'field:city', 'field:age'];
  await platform.request('PUT', `/v1/imports/${id}/mapping`, { header: true, columns });
  const started = performance.now();
  await platform.request('POST', `/v1/imports/${id}/start`, { consent: { source: 'bench' } });
  for (;;) {
    const view = await platform.request('GET', `/v1/imports/${id}`);
    if (view.state === 'failed') throw new Error(`the import failed: ${view.error?.code}`);
    if (view.state === 'completed' && view.visible) {
      return { counts: view.counts, seconds: (performance.now() - started) / 1000 };
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** The value below which a share of the numbers lies. */
export function percentile(numbers, share) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
