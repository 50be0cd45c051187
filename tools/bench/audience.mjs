import { bareReads, bareStop } from './bare.mjs';
import { peopleCsv, percentile, runImport } from './platform.mjs';

const WARM_UP = 500;
const ROUNDS = 500;

/** Counting, listing and streaming an audience of five groups over the contacts of the account. */
export async function benchAudience(platform, { rows }) {
  await runImport(platform, peopleCsv(rows, 30_000_000));
  const rules = ['city = "Haifa"', 'city = "Lyon"', 'age >= 40', 'age < 30', 'age >= 30 and age < 40'];
  const include = [];
  for (const [index, rule] of rules.entries()) {
    const name = `Bench ${index} ${Date.now()}`;
    const group = await platform.request('POST', '/v1/groups', { name, kind: 'dynamic', rule });
    include.push(group.id);
  }
  await untilReady(platform, include);
  const total = (await platform.request('POST', '/v1/audiences/count', { include: ['all'], channel: 'sms' }))
    .recipients;
  const count = await timed(60, () =>
    platform.request('POST', '/v1/audiences/count', { include, channel: 'sms' }),
  );
  const query = encodeURIComponent('city = "Haifa" and age >= 40');
  const list = await timed(30, () =>
    platform.request('GET', `/v1/contacts?query=${query}&sort=name&limit=50`),
  );
  const patch = await patches(platform, await someIds(platform, WARM_UP + ROUNDS));
  const barePatch = await bareStop(platform, ROUNDS);
  const receipt = await platform.request('POST', '/v1/audiences', { include: ['all'], channel: 'sms' });
  const stream = await streamed(platform, receipt.id);
  const bare = await bareReads(platform, stream.lines);
  const show = (list) =>
    `p50 ${percentile(list, 0.5).toFixed(1)} ms, p99 ${percentile(list, 0.99).toFixed(1)} ms`;
  return [
    `count an audience of ${include.length} groups over ${total} contacts: ${show(count)}`,
    `list page with two filters and a sort over ${total} contacts: ${show(list)}`,
    `change one field, HTTP to durable answer: ${show(patch)}`,
    `bare parts (one append, one upsert, nothing else running): ${show(barePatch)}`,
    `stream ${stream.lines} recipients: ${(stream.lines / stream.seconds).toFixed(0)}/s`,
    `bare cursor over as many documents: ${(bare.seen / bare.seconds).toFixed(0)}/s`,
  ];
}

async function someIds(platform, count) {
  const ids = [];
  for (let after = ''; ids.length < count;) {
    const page = await platform.request('GET', `/v1/contacts?limit=500${after}`);
    ids.push(...page.items.map((item) => item.id));
    if (page.next === null) break;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
  return ids.slice(0, count);
}

/** Changes of one field, of one contact after the other; the first ones find code that is not compiled yet. */
async function patches(platform, ids) {
  const times = [];
  for (const [turn, id] of ids.entries()) {
    const started = performance.now();
    await platform.request('PATCH', `/v1/contacts/${id}`, { firstName: `Name ${turn}` });
    times.push(performance.now() - started);
  }
  return times.slice(-ROUNDS);
}

async function untilReady(platform, ids) {
  for (const id of ids) {
    for (;;) {
      if ((await platform.request('GET', `/v1/groups/${id}`)).ready) break;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function timed(rounds, run) {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const started = performance.now();
    await run();
    times.push(performance.now() - started);
  }
  return times.slice(Math.floor(rounds / 10));
}

async function streamed(platform, id) {
  const started = performance.now();
  const response = await fetch(`${platform.url}/v1/audiences/${id}/recipients`, {
    headers: { authorization: `Bearer ${platform.apiKey}` },
  });
  let lines = 0;
  for await (const chunk of response.body) for (const byte of chunk) if (byte === 10) lines += 1;
  return { lines, seconds: (performance.now() - started) / 1000 };
}
