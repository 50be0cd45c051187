import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { countAudience } from '@muster/contracts/audience';
import {
  addMembers,
  changeGroup,
  createGroup,
  findMembers,
  getGroup,
  removeMembers,
} from '@muster/contracts/group';
import { bootstrap } from '@muster/runtime/bootstrap';
import { eventually } from '@muster/testing/eventually';
import { namedFaults } from '@muster/testing/faults';
import { startService } from '@muster/testing/processes';
import { repository } from '@muster/testing/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoopObserver } from './audience.loop.js';
import { MODEL_COLLECTIONS } from './audience.model.js';
import { Audiences } from './audience.worker.js';
import { groupsModule } from './groups.module.js';
import { World } from './test-world.js';

type Step = Parameters<LoopObserver['before']>[0];

/** Throws or holds at steps of the loop. */
class Trouble extends LoopObserver {
  readonly faults = namedFaults('load', 'fold', 'write', 'checkpoint', 'slice');
  held: Step | null = null;
  reached = 0;
  private release_: () => void = () => {};

  hold(step: Step): void {
    this.held = step;
  }

  release(): void {
    this.held = null;
    this.release_();
  }

  override async before(step: Step): Promise<void> {
    this.faults.throwIf(step);
    if (step !== this.held) return;
    this.reached += 1;
    await new Promise<void>((resolve) => (this.release_ = resolve));
  }
}

/** Everything that the model consists of, in an order of its own. */
async function contents(world: World): Promise<Record<string, object[]>> {
  const found: Record<string, object[]> = {};
  for (const name of MODEL_COLLECTIONS) {
    found[name] = await world.database.collection(name).find({}).sort({ _id: 1 }).toArray();
  }
  return found;
}

async function rebuild(world: World): Promise<void> {
  await world.stopGroups();
  await world.database.dropDatabase();
  await world.startGroups();
}

/** Waits until the model has everything that is in the log, and nothing is pending. */
async function settle(world: World): Promise<void> {
  const end = await world.store.lastPosition();
  await eventually(() => world.ask(findMembers, { atLeast: end, limit: 1 }), 30_000);
  const pending = { 'pending.0': { $exists: true } };
  const groups = world.database.collection('audience_groups');
  await eventually(async () => (await groups.countDocuments(pending)) === 0, 30_000);
}

/** How far the loop has come, as it is stored. */
async function checkpointOf(world: World): Promise<number> {
  const checkpoints = world.database.collection<{ _id: string; position: number }>('checkpoints');
  return (await checkpoints.findOne({ _id: 'audience:1:0' }))?.position ?? -1;
}

/** Takes the lease from its owner, as if it had been silent for long, and leaves it free. */
async function standAside(world: World): Promise<void> {
  const leases = world.database.collection<{ _id: string; owner: string; until: Date }>('leases');
  const until = new Date(Date.now() + 60_000);
  await leases.updateMany({}, { $set: { owner: 'nobody', until } });
  const audiences = world.running?.app.get(Audiences);
  await eventually(() => audiences?.soon(world.account, 0, 1).then((view) => view === null) ?? false);
  await leases.deleteMany({});
}

/** A little of everything; answers the contacts. */
async function live(world: World, round: number): Promise<string[]> {
  const contacts = await Promise.all(
    [1, 2, 3, 4].map((index) =>
      world.register({
        phone: `+120255${50000 + round * 10 + index}`,
        fields: { city: index % 2 ? 'haifa' : 'acre' },
      }),
    ),
  );
  const ids = contacts.map(({ id }) => id);
  await world.say('phone', `+120255${50000 + round * 10 + 1}`, 'revoked');
  await world.changeContact(ids[1] as string, {
    type: 'ContactFieldsChanged',
    data: { fields: { city: 'haifa' } },
  });
  await world.changeContact(ids[0] as string, {
    type: 'ContactRenamed',
    data: { firstName: `Ann ${round}` },
  });
  if (round % 3 === 0) await world.delete(ids[3] as string);
  return ids;
}

describe('the audience loop', () => {
  let world: World;
  let trouble: Trouble;
  beforeEach(async () => {
    world = await World.start();
    trouble = new Trouble();
    await world.addField({ key: 'city', type: 'text' });
  });
  afterEach(async () => {
    trouble.release();
    await world.stop();
  });

  it('is ready only when every account is in memory, however far it has followed the log', async () => {
    await world.startGroups();
    await live(world, 0);
    await settle(world);
    await world.stopGroups();
    trouble.faults.arm('load');
    trouble.hold('load');
    let isReady = false;
    const starting = world.startGroups(trouble).then(() => (isReady = true));
    await eventually(() => trouble.reached === 1);
    await world.addField({ key: 'plan', type: 'text' });
    const end = await world.store.lastPosition();
    await eventually(async () => (await checkpointOf(world)) >= end);
    expect(isReady).toBe(false);
    trouble.release();
    await starting;
    trouble.faults.proveFired('load');
    expect((await world.ask(findMembers, { limit: 10 })).items).toHaveLength(3);
  });

  it('writes the same model when it fails before and after every step and is started again', async () => {
    await world.startGroups(trouble);
    const club = await world.ask(createGroup, { name: 'Club' });
    const haifa = await world.ask(createGroup, { name: 'Haifa', kind: 'dynamic', rule: 'city = haifa' });
    await world.ask(createGroup, {
      name: 'Both',
      kind: 'dynamic',
      rule: 'group = Club and group = Haifa and status = active',
    });
    for (const [round, step] of (['fold', 'write', 'checkpoint', 'slice'] as const).entries()) {
      trouble.faults.arm(step, { times: 2 });
      const ids = await live(world, round);
      await world.ask(addMembers, { id: club.group.id, contactIds: ids });
      await world.ask(removeMembers, { id: club.group.id, contactIds: ids.slice(2, 3) });
      const rule = round % 2 ? 'city = haifa' : 'not city = haifa';
      await world.ask(changeGroup, { id: haifa.group.id, rule });
      await eventually(() => trouble.faults.fired[step] === 2);
      if (round === 1) {
        await world.stopGroups();
        await live(world, 40);
        trouble.faults.arm('load', { times: 2 });
        await world.startGroups(trouble);
      }
    }
    trouble.faults.proveFired();
    await settle(world);
    const before = await contents(world);
    expect(before['membership_log']?.length).toBeGreaterThan(20);
    await rebuild(world);
    await settle(world);
    expect(await contents(world)).toEqual(before);
  });

  it('fences an owner that was overtaken, which then stands by', async () => {
    await world.startGroups(trouble);
    trouble.hold('checkpoint');
    const first = await world.register({ phone: '+12025550401' });
    await eventually(() => trouble.reached === 1);
    await standAside(world);
    const second = await bootstrap({ service: 'groups', module: groupsModule(world.env), env: world.env });
    try {
      const next = await world.register({ phone: '+12025550402' });
      await eventually(async () => {
        expect(await checkpointOf(world)).toBeGreaterThanOrEqual(next.position);
      });
      trouble.release();
      const leases = world.database.collection<{ _id: string; owner: string }>('leases');
      const owner = (await leases.findOne({}))?.owner;
      const third = await world.register({ phone: '+12025550403' });
      await world.stopGroups();
      const { items } = await world.ask(findMembers, { atLeast: third.position, sort: 'createdAt' });
      expect(items.map((item) => item.id)).toEqual([first.id, next.id, third.id]);
      expect((await leases.findOne({}))?.owner).toBe(owner);
      const ordinals = await world.database.collection('audience_members').distinct('ordinal');
      expect(ordinals.toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
    } finally {
      await second.close();
    }
  });

  it('says that a group is not ready, and answers no audience from it, until every member is evaluated', async () => {
    await world.startGroups(trouble);
    for (let round = 0; round < 13; round += 1) {
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          world.register({
            phone: `+120255${60000 + round * 50 + index}`,
            fields: { city: index % 5 ? 'acre' : 'haifa' },
          }),
        ),
      );
    }
    const rule = 'city = nowhere';
    const { group } = await world.ask(createGroup, { name: 'Haifa', kind: 'dynamic', rule });
    const { id } = group;
    const within = await world.ask(createGroup, { name: 'Within', kind: 'dynamic', rule: `group = "${id}"` });
    await settle(world);
    trouble.hold('slice');
    const made = await world.ask(changeGroup, { id, rule: 'city = haifa' });
    expect(made.group.ready).toBe(false);
    for (const include of [[id], [within.group.id]]) {
      await expect(world.ask(countAudience, { include })).rejects.toMatchObject({ code: 'audience:lagging' });
    }
    expect((await world.ask(countAudience, { include: ['all'] })).recipients).toBe(650);
    await world.stopGroups();
    trouble.release();
    await world.startGroups();
    await eventually(async () => {
      expect((await world.ask(getGroup, { id })).group).toMatchObject({
        ready: true,
        counts: { members: 130 },
      });
    });
    expect(await world.ask(countAudience, { include: [within.group.id] })).toMatchObject({ recipients: 130 });
    const changed = await world.ask(changeGroup, { id, rule: 'city = acre' });
    await eventually(async () => {
      const { group } = await world.ask(getGroup, { id, atLeast: changed.position });
      expect(group).toMatchObject({ ready: true, counts: { members: 520 } });
    });
  });

  it('goes on over events whose key was destroyed', async () => {
    await world.startGroups();
    const gone = await world.register({ phone: '+12025550411', firstName: 'Erased' });
    await world.say('phone', '+12025550411', 'revoked');
    const stays = await world.register({ phone: '+12025550412' });
    await world.ask(findMembers, { atLeast: stays.position });
    const [fact] = await world.store.read(`contact-${world.account}_${gone.id}`);
    await world.keys.destroy([fact?.meta.key as string]);
    const later = await world.register({ phone: '+12025550413' });
    await world.ask(findMembers, { atLeast: later.position });
    await world.stopGroups();
    await world.database.dropDatabase();
    await world.startGroups();
    const { items } = await world.ask(findMembers, { atLeast: later.position, sort: 'createdAt' });
    expect(items.map((item) => [item.id, item.phone])).toEqual([
      [gone.id, null],
      [stays.id, '+12025550412'],
      [later.id, '+12025550413'],
    ]);
    expect(items[0]).toMatchObject({ status: 'opted_out', firstName: null });
  });
});

describe.skipIf(!existsSync(join(repository, 'services/groups/dist/main.js')))('the groups process', () => {
  it('loses and doubles nothing when it is killed again and again', { timeout: 240_000 }, async () => {
    const world = await World.start();
    const env = Object.fromEntries(Object.entries(world.env).map(([name, value]) => [name, `${value}`]));
    delete env['HTTP_PORT'];
    const service = await startService('groups', env);
    try {
      await world.addField({ key: 'city', type: 'text' });
      const club = await world.ask(createGroup, { name: 'Club' });
      await world.ask(createGroup, { name: 'Haifa', kind: 'dynamic', rule: 'city = haifa' });
      let rounds = 0;
      const enough = new AbortController();
      const writing = (async () => {
        while (!enough.signal.aborted) await live(world, rounds++);
      })();
      let behind = 0;
      for (let kill = 0; kill < 4; kill += 1) {
        await new Promise((resolve) => setTimeout(resolve, 60 + kill * 35));
        await service.kill();
        if ((await checkpointOf(world)) < (await world.store.lastPosition())) behind += 1;
        await service.restart();
      }
      enough.abort();
      await writing;
      const members = await world.ask(findMembers, { limit: 20 });
      await world.ask(addMembers, { id: club.group.id, contactIds: members.items.map((item) => item.id) });
      await settle(world);
      const before = await contents(world);
      await service.kill();
      await world.database.dropDatabase();
      await service.restart();
      expect(await contents(world)).toEqual(before);
      expect(before['audience_members']).toHaveLength(rounds * 4);
      expect(behind).toBeGreaterThan(0);
    } finally {
      await service.stop();
      await world.stop();
    }
  });
});
