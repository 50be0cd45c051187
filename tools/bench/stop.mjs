import { createHmac, randomBytes } from 'node:crypto';
import { bareStop } from './bare.mjs';
import { peopleCsv, percentile, runImport } from './platform.mjs';

const GATE_MAX = 500;
/** STOPs at the same rate before those that are measured: the first ones find code that is not compiled yet. */
const WARM_UP_SECONDS = 10;
const accountSid = `AC${randomBytes(16).toString('hex')}`;
const authToken = randomBytes(16).toString('hex');

/** STOP webhooks at a steady rate, from request to enforced 2xx, and the send gate in full batches. */
export async function benchStop(platform, { seconds, rate }) {
  const warm = WARM_UP_SECONDS * rate;
  const stopping = Math.max(GATE_MAX / 2, warm + seconds * rate);
  const count = stopping + GATE_MAX / 2;
  const from = 20_000_000;
  await runImport(platform, peopleCsv(count, from));
  const endpoint = await platform.request('POST', '/v1/endpoints', {
    provider: 'twilio',
    senders: ['+14155550199'],
    credentials: { accountSid, authToken },
  });
  const numbers = peopleCsv(count, from)
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',')[2]);
  const first = await fire(endpoint.webhookUrl, numbers.slice(0, warm), rate);
  const { times, failed } = await fire(endpoint.webhookUrl, numbers.slice(warm, warm + seconds * rate), rate);
  const gate = await askGate(platform, [...numbers.slice(0, GATE_MAX / 2), ...numbers.slice(stopping)]);
  const bare = await bareStop(platform, 300);
  const show = (list) =>
    `p50 ${percentile(list, 0.5).toFixed(1)} ms, p99 ${percentile(list, 0.99).toFixed(1)} ms`;
  return [
    `STOP webhook at ${rate}/s, the first ${WARM_UP_SECONDS} s: ${show(first.times)}, not 2xx: ${JSON.stringify(first.failed)}`,
    `STOP webhook at ${rate}/s for ${seconds} s more: ${show(times)}, not 2xx: ${JSON.stringify(failed)}`,
    `bare parts (one append, one upsert, nothing else running): ${show(bare)}`,
    `send gate, ${GATE_MAX} at once: ${show(gate.times)}; ${gate.refused} of ${GATE_MAX} refused`,
  ];
}

let message = 0;

async function fire(url, numbers, rate) {
  const times = [];
  const failed = {};
  const begun = performance.now();
  const sending = numbers.map(async (number, index) => {
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, (index * 1000) / rate - (performance.now() - begun))),
    );
    const started = performance.now();
    const response = await deliver(url, number, (message += 1));
    if (response.ok) times.push(performance.now() - started);
    else failed[response.status] = (failed[response.status] ?? 0) + 1;
  });
  await Promise.all(sending);
  return { times, failed };
}

async function deliver(url, from, index) {
  const parameters = {
    AccountSid: accountSid,
    Body: 'STOP',
    From: from,
    MessageSid: `SM${String(index).padStart(32, '0')}`,
    NumMedia: '0',
    To: '+14155550199',
  };
  const signed =
    url +
    Object.entries(parameters)
      .map(([name, value]) => name + value)
      .join('');
  const signature = createHmac('sha1', authToken).update(signed).digest('base64');
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
    body: new URLSearchParams(parameters).toString(),
  });
  await response.text();
  return response;
}

async function askGate(platform, to) {
  const times = [];
  let refused = 0;
  for (let round = 0; round < 50; round += 1) {
    const started = performance.now();
    const { results } = await platform.request('POST', '/v1/send-gate', { to });
    times.push(performance.now() - started);
    refused = results.filter((result) => !result.allowed).length;
  }
  return { times: times.slice(5), refused };
}
