import { eventually } from '@muster/testing/eventually';
import { startPlatform, type Platform } from '@muster/testing/platform';
import type { Service } from '@muster/testing/processes';
import type { Server } from '@muster/testing/servers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  contacts,
  excludedOf,
  freeze,
  gateOf,
  historyOf,
  openAccount,
  recipientsOf,
  type Api,
  type Frozen,
} from './client.js';
import { importAll, importOf, startImport, untilVisible, type Import } from './imports.js';
import { FILE_COLUMNS, fileOf, nextPhones, spellings } from './people.js';
import { newMessageSid, Twilio } from './twilio.js';

const PATIENCE_MS = 600_000;
const ROWS = 3_000;
/** Of the rows, so many carry a number that stands further up, in another spelling. */
const REPEATED = 100;
/** Often enough to find an import that takes a second in the middle of its work. */
const LOOK_MS = 10;
const STOPS = 60;
const LANES = 15;

/** What is killed, for imports and for STOPs. */
const IN_IMPORTS = [
  'imports',
  'contacts',
  'groups',
  'compliance',
  'eventStore',
  'mongo',
  'redis',
  'nats',
  'gateway',
] as const;
const IN_STOPS = ['compliance', 'inbound', 'eventStore', 'mongo'] as const;
type Victim = (typeof IN_IMPORTS)[number] | (typeof IN_STOPS)[number];

let platform: Platform;
let api: Api;

beforeAll(async () => {
  platform = await startPlatform();
}, PATIENCE_MS);
beforeEach(async () => {
  api = await openAccount(platform);
});
afterAll(async () => platform?.stop(), PATIENCE_MS);

const processOf = (victim: Victim): Service | Server =>
  ({ ...platform.servers, ...platform.services })[victim];

/** kill -9, and the same process again on the same data. */
async function crash(victim: Victim): Promise<void> {
  const { pid } = processOf(victim);
  await processOf(victim).kill('SIGKILL');
  expect(processOf(victim).running).toBe(false);
  await processOf(victim).restart();
  expect(processOf(victim).pid).not.toBe(pid);
}

/** The import in the middle of its work, when some rows are done and more are not; or as it ended, if that was missed. */
async function inTheMiddle(id: string): Promise<Import> {
  for (;;) {
    const view = await importOf(api, id);
    if (view.state !== 'running' || view.counts.rows > 0) return view;
    await sleep(LOOK_MS);
  }
}

async function expectEveryNumberOnce(numbers: readonly string[]): Promise<void> {
  expect((await contacts(api, { count: 'true', limit: 1 })).total).toBe(numbers.length);
  const receipt = await freeze(api);
  expect([receipt.recipients, receipt.excluded]).toEqual([numbers.length, {}]);
  const recipients = await recipientsOf(api, receipt);
  expect(new Set(recipients.map(({ contactId }) => contactId)).size).toBe(numbers.length);
  expect(recipients.map(({ to }) => to).sort()).toEqual([...numbers].sort());
}

describe('an import goes on to its end, with exact counts and no number twice, after kill -9 of', () => {
  it.each(IN_IMPORTS)(
    '%s',
    async (victim) => {
      const numbers = nextPhones(ROWS - REPEATED);
      const again = numbers.slice(0, REPEATED).map((phone) => spellings(phone)[2]);
      const csv = fileOf([...numbers, ...again]);
      const { id } = await startImport(api, { csv, columns: FILE_COLUMNS, country: 'FR' });
      const struck = await inTheMiddle(id);
      await crash(victim);
      expect(struck.state).toBe('running');
      expect(struck.counts.rows).toBeGreaterThan(0);
      expect(struck.counts.rows).toBeLessThan(ROWS);
      const done = await untilVisible(api, id);
      expect(done.counts).toEqual({
        rows: ROWS,
        new: numbers.length,
        updated: 0,
        unchanged: 0,
        rejected: 0,
        duplicates: REPEATED,
        suppressed: 0,
      });
      await expectEveryNumberOnce(numbers);
    },
    PATIENCE_MS,
  );
});

interface Stops {
  /** Numbers whose STOP the carrier got a 2xx for, in that order. */
  acknowledged: string[];
  /** Deliveries that were sent and are not answered yet. */
  underWay: number;
  /** Numbers that were found sendable after their 2xx: there must be none. */
  broken: string[];
}

/** What may not be after a 2xx: the gate lets the number through, or a receipt of before still hands it out. */
async function isHandedOut(phone: string, receipt: Frozen): Promise<boolean> {
  const gate = await gateOf(api, phone);
  const recipients = await recipientsOf(api, receipt);
  return gate.allowed || recipients.some(({ to }) => to === phone);
}

/** A carrier's queue: the same message is delivered again until it gets a 2xx, and then looked at. */
async function stopOne(twilio: Twilio, phone: string, receipt: Frozen, stops: Stops): Promise<void> {
  const sid = newMessageSid();
  await eventually(async () => {
    stops.underWay += 1;
    const status = await twilio.deliver(phone, 'STOP', sid).then(
      (delivery) => delivery.status,
      () => 0,
    );
    stops.underWay -= 1;
    return status === 200;
  }, 180_000);
  stops.acknowledged.push(phone);
  if (await isHandedOut(phone, receipt)) stops.broken.push(phone);
}

async function stopAll(
  twilio: Twilio,
  phones: readonly string[],
  receipt: Frozen,
  stops: Stops,
): Promise<void> {
  const queue = [...phones];
  const lane = async (): Promise<void> => {
    for (let phone = queue.shift(); phone; phone = queue.shift())
      await stopOne(twilio, phone, receipt, stops);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

describe('every STOP that got its 2xx holds at once and for good, once on record, after kill -9 of', () => {
  it.each(IN_STOPS)(
    '%s',
    async (victim) => {
      const phones = nextPhones(STOPS + 1);
      const [bystander, ...people] = phones as [string, ...string[]];
      await importAll(api, { csv: fileOf(phones), columns: FILE_COLUMNS, country: 'FR' });
      const twilio = await Twilio.connect(api);
      const receipt = await freeze(api);
      expect(receipt.recipients).toBe(phones.length);
      const stops: Stops = { acknowledged: [], underWay: 0, broken: [] };
      const stopping = stopAll(twilio, people, receipt, stops);
      await eventually(() => stops.acknowledged.length > 3 && stops.underWay > 0, 120_000);
      const before = stops.acknowledged.length;
      const { underWay } = stops;
      await crash(victim);
      await stopping;
      expect(before).toBeLessThan(STOPS);
      expect(underWay).toBeGreaterThan(0);
      expect(stops.broken).toEqual([]);
      expect([...stops.acknowledged].sort()).toEqual([...people].sort());
      await expectStopped(people, bystander, receipt);
      expect(await isHandedOut(bystander, receipt)).toBe(true);
    },
    PATIENCE_MS,
  );
});

/** After the dust has settled: in the old receipt and in a new one, at the gate and in the ledger. */
async function expectStopped(people: readonly string[], bystander: string, old: Frozen): Promise<void> {
  for (const receipt of [old, await freeze(api)]) {
    expect((await recipientsOf(api, receipt)).map(({ to }) => to)).toEqual([bystander]);
    const excluded = await excludedOf(api, receipt);
    expect(excluded.filter(({ reason }) => reason !== 'opted_out')).toEqual([]);
    expect(excluded.map(({ to }) => to).sort()).toEqual([...people].sort());
  }
  for (const phone of people) {
    expect(await gateOf(api, phone)).toEqual({ to: phone, allowed: false, reason: 'opted_out' });
    const history = await historyOf(api, phone);
    expect(history.map(({ kind }) => kind)).toEqual(['ConsentRevoked']);
  }
}
