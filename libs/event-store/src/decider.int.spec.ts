import type { ContactEvent } from '@muster/contracts/contact';
import type { Envelope } from '@muster/contracts/envelope';
import { Refusal } from '@muster/contracts/errors';
import { uuid7 } from '@muster/contracts/ids';
import { startServers, type Servers } from '@muster/testing/servers';
import { randomBytes } from 'node:crypto';
import { createConnection, type Connection } from 'mongoose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Checkpoints } from './checkpoint.js';
import { Decider } from './decider.js';
import { EventStore, WrongRevision } from './event-store.js';
import type { Fact } from './facts.js';
import { Heads } from './heads.js';
import { KeyRing, type DataKey } from './keys.js';
import { repairHeads } from './repair.js';

interface Names {
  first: string | null;
  renames: number;
}

const evolve = (state: Names, event: ContactEvent): Names => {
  if (event.type === 'ContactRegistered') return { ...state, first: event.data.firstName ?? null };
  if (event.type === 'ContactRenamed')
    return { first: event.data.firstName ?? null, renames: state.renames + 1 };
  return state;
};
const register =
  (id: string, firstName: string) =>
  (state: Names): ContactEvent[] =>
    state.first === null
      ? [{ type: 'ContactRegistered', data: { contactId: id, details: [], firstName } }]
      : [];
const rename =
  (firstName: string) =>
  (state: Names): ContactEvent[] =>
    state.first === firstName ? [] : [{ type: 'ContactRenamed', data: { firstName } }];

function envelope(account: string, command = uuid7()): Envelope {
  const at = '2026-01-02T03:04:05.678Z';
  return {
    account,
    actor: { kind: 'system', id: 't' },
    source: { kind: 'system' },
    command,
    correlation: command,
    at,
  };
}

describe('decide and append, on real servers', () => {
  let servers: Servers<'eventStore' | 'mongo'>;
  let connection: Connection;
  let keys: KeyRing;
  let store: EventStore;
  let heads: Heads<Names>;
  let decider: Decider<Names, ContactEvent>;
  const account = uuid7();

  beforeAll(async () => {
    servers = await startServers({ eventStore: true, mongo: true });
    connection = await createConnection(`${servers.mongo.url}/decider`).asPromise();
    keys = new KeyRing(connection, randomBytes(32));
    store = new EventStore(servers.eventStore.url, keys);
    heads = new Heads<Names>(connection.getClient().db('decider').collection('heads'));
    decider = new Decider({
      store,
      heads,
      category: 'contact',
      initial: { first: null, renames: 0 },
      evolve,
    });
  });
  afterAll(async () => {
    await store?.close();
    await connection?.close();
    await servers?.stop();
  });

  it('answers a repeated command from the record, without another event', async () => {
    const id = uuid7();
    const command = envelope(account);
    const first = await decider.execute(command, id, register(id, 'Ann'));
    const again = await decider.execute(command, id, register(id, 'Ann'));
    expect(first.outcome).toBe('applied');
    expect(again).toMatchObject({
      outcome: 'repeated',
      position: first.position,
      types: ['ContactRegistered'],
    });
    expect(await store.read(decider.streamOf(account, id))).toHaveLength(1);
  });

  it('finds a command in the stream after more than sixteen others', async () => {
    const id = uuid7();
    const first = envelope(account);
    await decider.execute(first, id, register(id, 'n'));
    for (let n = 0; n < 20; n += 1) await decider.execute(envelope(account), id, rename(`n${n}`));
    const again = await decider.execute(first, id, rename('again'));
    expect(again.outcome).toBe('repeated');
    expect(again.state.renames).toBe(20);
  });

  it('keeps no personal value in the log in the clear, and reads it back', async () => {
    const id = uuid7();
    await decider.execute(envelope(account), id, register(id, 'Wilhelmina'));
    const [fact] = (await store.read(decider.streamOf(account, id))) as Fact<ContactEvent>[];
    expect(fact?.data).toMatchObject({ firstName: 'Wilhelmina' });
    for await (const { event } of store.client.readStream(decider.streamOf(account, id))) {
      expect(JSON.stringify([event?.data, event?.metadata])).not.toContain('Wilhelmina');
    }
  });

  it('reads an event whose key was destroyed without its personal values', async () => {
    const id = uuid7();
    await decider.execute(envelope(account), id, register(id, 'Gone'));
    const head = await decider.load(account, id);
    await keys.destroy([head.key as string]);
    const [fact] = await store.read(decider.streamOf(account, id));
    expect(fact).toMatchObject({ shredded: true, data: { contactId: id } });
    expect(fact?.data).not.toHaveProperty('firstName');
  });

  it('lets every one of many racing commands happen once', async () => {
    const id = uuid7();
    await decider.execute(envelope(account), id, register(id, 'start'));
    const other = new Decider({
      store,
      heads,
      category: 'contact',
      initial: { first: null, renames: 0 },
      evolve,
    });
    const names = Array.from({ length: 8 }, (_, n) => `racer ${n}`);
    const results = await Promise.all(
      names.map((name, n) => (n % 2 ? decider : other).execute(envelope(account), id, rename(name))),
    );
    expect(results.every((result) => result.outcome === 'applied')).toBe(true);
    expect((await decider.load(account, id)).state.renames).toBe(8);
  });

  it('sees a wrong revision as such', async () => {
    const id = uuid7();
    await decider.execute(envelope(account), id, register(id, 'x'));
    const events = [{ type: 'ContactRenamed', data: {} }];
    const append = store.append(decider.streamOf(account, id), events, 'no_stream', envelope(account));
    await expect(append).rejects.toBeInstanceOf(WrongRevision);
  });

  it('does a chunk of rows with refusals and repeats of one aggregate among them', async () => {
    const [a, b] = [uuid7(), uuid7()];
    const refuse = (): ContactEvent[] => {
      throw new Refusal('contact:required');
    };
    const answers = await decider.executeMany([
      { envelope: envelope(account), id: a, decide: register(a, 'A') },
      { envelope: envelope(account), id: b, decide: refuse },
      { envelope: envelope(account), id: a, decide: rename('A2') },
      { envelope: envelope(account), id: a, decide: rename('A2') },
    ]);
    expect(answers.map((one) => (one instanceof Refusal ? one.code : one.outcome))).toEqual([
      'applied',
      'contact:required',
      'applied',
      'nothing',
    ]);
  });

  it('recovers when a head was lost between append and write, on every path', async () => {
    const id = uuid7();
    const command = envelope(account);
    await decider.execute(command, id, register(id, 'Ann'));
    await heads.collection.deleteOne({ _id: `${account}_${id}` });
    const repeated = await decider.executeMany([{ envelope: command, id, decide: register(id, 'Ann') }]);
    expect(repeated[0]).toMatchObject({ outcome: 'repeated' });
    await heads.collection.deleteOne({ _id: `${account}_${id}` });
    expect((await decider.load(account, id)).state.first).toBe('Ann');
  });

  it('leaves the head to the command that follows, and makes it good where none does', async () => {
    const [id, left] = [uuid7(), uuid7()];
    const options = { headFollows: true };
    const first = await decider.execute(envelope(account), id, register(id, 'Ann'), options);
    await decider.execute(envelope(account), left, register(left, 'Lea'), options);
    expect((await heads.find(account, [id, left])).size).toBe(0);
    await decider.execute(envelope(account), id, rename('Anna'), { known: first.head });
    expect((await heads.find(account, [id])).get(id)?.state).toEqual({ first: 'Anna', renames: 1 });
    const checkpoints = new Checkpoints(connection.getClient().db('decider').collection('left'));
    const repair = await repairHeads(store, decider, checkpoints, 'contact');
    await repair.caughtUp();
    expect((await heads.find(account, [left])).get(left)?.state.first).toBe('Lea');
    await repair.stop();
  });

  it('writes more beside a head that it settles for one caller only, and never takes a head back', async () => {
    const id = uuid7();
    const first = await decider.execute(envelope(account), id, register(id, 'Ann'), { headFollows: true });
    const next = { known: first.head, headFollows: true };
    const { head } = await decider.execute(envelope(account), id, rename('Anna'), next);
    const settled = [head, head, first.head].map((one, n) => decider.settleWith(one, { by: n }));
    expect((await Promise.all(settled)).filter((won) => won)).toHaveLength(1);
    expect(decider.hasSaved(decider.streamOf(account, id), head.revision)).toBe(true);
    const [stored] = await heads.collection.find({ _id: `${account}_${id}` }).toArray();
    expect(stored).toMatchObject({ revision: 1, state: { first: 'Anna' }, by: expect.any(Number) });
    await decider.settle(first.head);
    expect((await heads.find(account, [id])).get(id)?.state.first).toBe('Anna');
  });

  it.each(['one command', 'a bulk'])('has written the head when it says that %s is settled', async (kind) => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const initial = { first: null, renames: 0 };
    const keyFor = async (): Promise<DataKey> => {
      await gate;
      return (await store.keys.newKeys(1))[0] as DataKey;
    };
    const gated = new Decider({ store, heads, category: 'contact', initial, evolve, keyFor });
    const id = uuid7();
    const isSaved = (): boolean => gated.hasSaved(gated.streamOf(account, id), 0);
    const command = { envelope: envelope(account), id, decide: register(id, 'Ann') };
    const working =
      kind === 'a bulk' ? gated.executeMany([command]) : gated.execute(command.envelope, id, command.decide);
    const saved = gated.settled().then(isSaved);
    expect(isSaved()).toBe(false);
    open();
    expect(await saved).toBe(true);
    await working;
  });

  it('gathers what comes at the end of the log, and keeps nobody waiting for a position', async () => {
    const batches: number[] = [];
    const handle = async (facts: Fact[]): Promise<void> => void batches.push(facts.length);
    const from = await store.lastPosition();
    const lingerMs = 120_000;
    const follower = store.follow({ name: 'g', categories: ['contact'], from, handle, lingerMs });
    await follower.caughtUp();
    let position = 0;
    for (let n = 0; n < 20; n += 1) {
      const id = uuid7();
      ({ position } = await decider.execute(envelope(account), id, register(id, `Ann ${n}`)));
    }
    expect(await follower.reached(position, 20_000)).toBe(true);
    expect(batches.reduce((sum, count) => sum + count, 0)).toBe(20);
    expect(batches[0]).toBeGreaterThan(1);
    await follower.stop();
  });

  it('repairs heads up to the end of the log before it is live', async () => {
    const id = uuid7();
    await decider.execute(envelope(account), id, register(id, 'Ann'));
    await heads.collection.deleteOne({ _id: `${account}_${id}` });
    const checkpoints = new Checkpoints(connection.getClient().db('decider').collection('checkpoints'));
    const initial = { first: null, renames: 0 };
    const restarted = new Decider({ store, heads, category: 'contact', initial, evolve });
    const repair = await repairHeads(store, restarted, checkpoints, 'contact');
    await repair.caughtUp();
    expect((await heads.find(account, [id])).get(id)?.state.first).toBe('Ann');
    await repair.stop();
  });

  it('goes on following after the store was killed, without a gap or a repeat', async () => {
    const seen: number[] = [];
    let failures = 0;
    const handle = async (facts: Fact[]): Promise<void> => {
      if (seen.length > 0 && failures === 0) {
        failures += 1;
        throw new Error('injected');
      }
      seen.push(...facts.map((fact) => fact.position));
    };
    const follower = store.follow({ name: 't', categories: ['contact'], from: null, handle, batchMax: 5 });
    await follower.caughtUp();
    const before = seen.length;
    await servers.eventStore.kill();
    await servers.eventStore.restart();
    const id = uuid7();
    let done: { position: number } | undefined;
    for (let attempt = 0; attempt < 50 && !done; attempt += 1) {
      done = await decider.execute(envelope(account), id, register(id, 'after')).catch(() => undefined);
      if (!done) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await follower.reached(done?.position ?? Infinity, 20_000)).toBe(true);
    expect(failures).toBe(1);
    expect(seen.length).toBe(before + 1);
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
    await follower.stop();
  });
});
