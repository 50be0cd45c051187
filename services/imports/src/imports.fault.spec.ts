import { createGroup, findMembers, getGroup } from '@muster/contracts/group';
import type { ImportEvent, ImportView } from '@muster/contracts/import';
import { streamName } from '@muster/contracts/names';
import { eventually } from '@muster/testing/eventually';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PEOPLE_COLUMNS, people, World } from './test-world.js';

const ROWS = 4_000;
const CHUNKS = ROWS / 500;

describe('an import whose processes die', { timeout: 240_000 }, () => {
  let world: World;
  let serial = 0;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world?.stop());

  interface Begun {
    id: string;
    group: string;
  }

  /** An import that is under way: some chunks are recorded, not all. */
  async function begun(): Promise<Begun> {
    serial += 1;
    const { group } = await world.ask(createGroup, { name: `Group ${serial}` });
    const content = people(ROWS, serial * 100_000);
    const id = await world.begin(content, PEOPLE_COLUMNS, { groups: group.id });
    await eventually(async () => (await world.look(id)).counts.rows >= 500, 60_000);
    return { id, group: group.id };
  }

  const eventsOf = async (id: string): Promise<ImportEvent[]> =>
    (await world.store.read(streamName('import', world.account, id))) as unknown as ImportEvent[];

  /** The recorded chunks when the fault struck: proves that it struck in the middle. */
  async function chunksNow(id: string): Promise<number> {
    const events = await eventsOf(id);
    expect(events.map(({ type }) => type)).not.toContain('ImportCompleted');
    return events.filter(({ type }) => type === 'ImportChunkDone').length;
  }

  async function isExact({ id, group }: Begun): Promise<ImportView> {
    const view = await world.ended(id);
    expect(view.state).toBe('completed');
    expect(view.counts).toEqual({
      rows: ROWS,
      new: ROWS,
      updated: 0,
      unchanged: 0,
      rejected: 0,
      duplicates: 0,
      suppressed: 0,
    });
    const chunks = (await eventsOf(id)).flatMap((event) =>
      event.type === 'ImportChunkDone' ? [event.data] : [],
    );
    expect(chunks.map(({ chunk, firstRow }) => [chunk, firstRow])).toEqual(
      Array.from({ length: CHUNKS }, (_, n) => [n, n * 500]),
    );
    const answer = await world.ask(getGroup, { id: group, atLeast: view.position });
    expect(answer.group.counts.members).toBe(ROWS);
    const { total } = await world.ask(findMembers, { group, count: true, limit: 1, atLeast: view.position });
    expect(total).toBe(ROWS);
    return view;
  }

  it('goes on after kill -9 of the imports process, with exact counts and nobody twice', async () => {
    const begin = await begun();
    await world.services.imports.kill();
    const before = await chunksNow(begin.id);
    expect(before).toBeLessThan(CHUNKS);
    await world.services.imports.restart();
    await isExact(begin);
  });

  it('waits while contacts is dead, and goes on', async () => {
    const begin = await begun();
    await world.services.contacts.kill();
    try {
      expect(await chunksNow(begin.id)).toBeLessThan(CHUNKS);
      await eventually(() => world.services.imports.output().includes('import waits'), 90_000);
      expect((await world.look(begin.id)).state).toBe('running');
    } finally {
      await world.services.contacts.restart();
    }
    await isExact(begin);
  });

  it('ends although Redis was emptied and the process killed', async () => {
    const begin = await begun();
    const redis = new Redis(world.servers.redis.url);
    const keys = await redis.dbsize();
    await redis.flushall();
    await world.services.imports.kill();
    redis.disconnect();
    expect(keys).toBeGreaterThan(0);
    expect(await chunksNow(begin.id)).toBeLessThan(CHUNKS);
    await world.services.imports.restart();
    await isExact(begin);
  });

  it('runs while Redis is down, once it has begun', async () => {
    const begin = await begun();
    await world.servers.redis.kill();
    expect(await chunksNow(begin.id)).toBeLessThan(CHUNKS);
    await isExact(begin);
    await world.servers.redis.restart();
  });

  it('loses nothing to a worker that freezes, is replaced, and wakes up with a chunk in its hands', async () => {
    const first = world.services.imports;
    const second = await world.replica();
    const has = (service: typeof first, ...words: string[]): boolean =>
      service
        .output()
        .split('\n')
        .some((line) => words.every((word) => line.includes(word)));
    try {
      const begin = await begun();
      const [frozen, other] = has(first, 'import runs', begin.id) ? [first, second] : [second, first];
      await frozen.kill('SIGSTOP');
      expect(await chunksNow(begin.id)).toBeLessThan(CHUNKS);
      await eventually(() => has(other, 'import runs', begin.id), 120_000);
      await frozen.kill('SIGCONT');
      const isLost = (one: typeof first): boolean => has(one, 'import left to another worker', begin.id);
      await eventually(() => isLost(first) || isLost(second), 60_000);
      await isExact(begin);
    } finally {
      await first.kill('SIGCONT');
      await second.stop();
    }
  });

  it('keeps personal values out of Redis and out of its events', async () => {
    const begin = await begun();
    const redis = new Redis(world.servers.redis.url);
    const dump: string[] = [];
    for (const key of await redis.keys('*')) dump.push(key, JSON.stringify(await redis.dump(key)));
    const job = await redis.hgetall(`bull:imports.runs:run-${begin.id}`);
    redis.disconnect();
    expect(JSON.parse(job['data'] as string)).toEqual({ account: world.account, importId: begin.id });
    await isExact(begin);
    const stored = JSON.stringify([dump, await eventsOf(begin.id)]);
    for (const canary of ['First1', 'Last1', '1212', '212 2']) expect(stored).not.toContain(canary);
  });
});
