import { bareReads } from './bare.mjs';
import { peopleCsv, percentile, runImport } from './platform.mjs';

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
  const first = (await platform.request('GET', '/v1/contacts?limit=1')).items[0];
  let turn = 0;
  const patch = await timed(60, () =>
    platform.request('PATCH', `/v1/contacts/${first.id}`, { firstName: `Name ${(turn += 1)}` }),
  );
  const receipt = await platform.request('POST', '/v1/audiences', { include: ['all'], channel: 'sms' });
  const stream = await streamed(platform, receipt.id);
  const bare = await bareReads(platform, stream.lines);
  const show = (list) =>
    `p50 ${percentile(list, 0.5).toFixed(1)} ms, p99 ${percentile(list, 0.99).toFixed(1)} ms`;
  return [
    `count an audience of ${include.length} groups over ${total} contacts: ${show(count)}`,
    `list page with two filters and a sort over ${total} contacts: ${show(list)}`,
    `change one field, HTTP to durable answer: ${show(patch)}`,
    `stream ${stream.lines} recipients: ${(stream.lines / stream.seconds).toFixed(0)}/s`,
    `bare cursor over as many documents: ${(bare.seen / bare.seconds).toFixed(0)}/s`,
  ];
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
