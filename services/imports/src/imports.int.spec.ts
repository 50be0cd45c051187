import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGroup, getGroup } from '@muster/contracts/group';
import { mapImport, startImport } from '@muster/contracts/import';
import { repository } from '@muster/testing/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from './test-world.js';

describe('imports, with the real services', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
  });
  afterAll(() => world?.stop());

  it('takes the demo file in: counts, groups and rejects come out as they were made', async () => {
    const demo = join(repository, 'deploy/local/demo');
    const file = await readFile(join(demo, 'people.csv'));
    const expected = JSON.parse(await readFile(join(demo, 'expected.json'), 'utf8')) as {
      counts: Record<string, number>;
    };
    const { group } = await world.ask(createGroup, { name: 'Members' });
    const uploaded = await world.uploaded(file, { groups: group.id });
    expect(uploaded).toMatchObject({ state: 'analysed', encoding: 'utf-8', delimiter: ',', header: true });
    expect(uploaded.needs).toEqual(['mapping', 'consent']);
    expect(uploaded.columns.map(({ suggested }) => suggested).slice(0, 4)).toEqual([
      'firstName',
      'lastName',
      'phone',
      'email',
    ]);
    const columns = [
      'firstName',
      'lastName',
      'phone',
      'email',
      'field:city',
      'field:plan',
      'field:age',
      'ignore',
    ];
    await world.ask(mapImport, { id: uploaded.id, header: true, columns, country: 'US' });
    await world.ask(startImport, { id: uploaded.id, consent: { source: 'Demo' } });
    const view = await world.ended(uploaded.id);
    expect(view.state).toBe('completed');
    expect(view.counts).toEqual({ ...expected.counts, suppressed: 0 });
    const members = await world.ask(getGroup, { id: group.id, atLeast: view.position });
    expect(members.group.counts.members).toBe(expected.counts['new']);
    const rejects = (await world.rejected(uploaded.id)).trim().split('\r\n');
    expect(rejects[0]).toContain('error code,what to do');
    expect(rejects).toHaveLength(1 + (expected.counts['rejected'] as number));
  });
});
