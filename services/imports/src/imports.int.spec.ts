import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canSend, revokeConsent } from '@muster/contracts/consent';
import { getContactHistory } from '@muster/contracts/contact';
import { createGroup, findMembers, getGroup } from '@muster/contracts/group';
import { cancelImport, chooseGroups, listImports, mapImport, startImport } from '@muster/contracts/import';
import { streamName } from '@muster/contracts/names';
import { detailKeys } from '@muster/phone/detail';
import { repository } from '@muster/testing/servers';
import { eventually } from '@muster/testing/eventually';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PEOPLE_COLUMNS, people, World } from './test-world.js';

describe('imports, with the real services', { timeout: 240_000 }, () => {
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
    const { group } = await world.ask(createGroup, { name: 'Demo' });
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
    const rejects = (await world.rejected(uploaded.id)).trimEnd().split('\r\n');
    expect(rejects[0]).toBe(
      '\ufeffFirst name,Last name,Mobile,E-mail,City,Plan,Age,Notes,error code,what to do',
    );
    expect(rejects).toHaveLength(1 + (expected.counts['rejected'] as number));
  });

  it('updates by the chosen mode, counts what is unchanged, and says where each value came from', async () => {
    const first = await world.begin(people(3, 900_000), PEOPLE_COLUMNS);
    expect((await world.ended(first)).counts).toMatchObject({ rows: 3, new: 3 });
    const again = await world.begin(people(3, 900_000), PEOPLE_COLUMNS);
    expect((await world.ended(again)).counts).toMatchObject({ rows: 3, new: 0, updated: 0, unchanged: 3 });
    const changed = people(3, 900_000).replace('First1', 'Anna').replace('Last2', '');
    const third = await world.begin(changed, PEOPLE_COLUMNS);
    expect((await world.ended(third)).counts).toMatchObject({ new: 0, updated: 1, unchanged: 2 });
    const { items } = await world.ask(findMembers, { query: 'firstName = "Anna"' });
    const history = await world.ask(getContactHistory, { id: items[0]?.id as string });
    expect(history.items.map(({ source }) => [source.import, source.row])).toEqual([
      [first, 1],
      [third, 1],
    ]);
    const { items: kept } = await world.ask(findMembers, {
      query: 'lastName = "Last2" and firstName = "First2"',
    });
    expect(kept.map(({ phone }) => phone)).toContain('+12122900002');
  });

  it('imports whoever said stop as suppressed, and does not make them reachable', async () => {
    const phone = '+1 212 291 0001';
    await world.ask(revokeConsent, { detail: phone, origin: 'keyword' });
    const id = await world.begin(people(3, 910_000), PEOPLE_COLUMNS);
    expect((await world.ended(id)).counts).toMatchObject({ new: 3, suppressed: 1 });
    const { items } = await world.ask(findMembers, { query: 'phone = "+12122910001"' });
    expect(items.map(({ status }) => status)).toEqual(['opted_out']);
  });

  it('counts a number as suppressed that was revoked under a key of its other form', async () => {
    const phone = '+525512345678';
    const others = detailKeys(await world.ring.peppers(world.account), 'phone', phone).slice(1);
    const detailKey = others[0] as string;
    const said = { detailKey, kind: 'phone', origin: 'keyword', initiative: 'person', receiptOnly: true };
    const data = { ...said, saidAt: world.by().at, standing: 'revoked' };
    const stream = streamName('consent', world.account, detailKey);
    await world.store.append(stream, [{ type: 'ConsentRevoked', data }], 'no_stream', world.by());
    await eventually(async () => {
      const { results } = await world.ask(canSend, { to: [phone] });
      expect(results[0]?.reason).toBe('opted_out');
    });
    const id = await world.begin(`Phone\n${phone}\n+525512345679\n`, ['phone']);
    expect((await world.ended(id)).counts).toMatchObject({ new: 2, suppressed: 1 });
  });

  it('answers rejected rows as they came, with reasons, and takes the corrected file', async () => {
    const file =
      'Name;Phone;Age;Note\nAnn;+12122920001;thirty;"a;b"\nBen;call me;4;\n"Cy;1;2\nDi;+12122920002;5;\nDi again;(212) 292-0002;5;\nEd;+12122920003\n';
    const id = await world.begin(file, ['fullName', 'phone', 'field:age', 'ignore']);
    const view = await world.ended(id);
    expect(view.counts).toMatchObject({ rows: 6, new: 1, rejected: 4, duplicates: 1 });
    const csv = await world.rejected(id);
    const age = 'The value does not fit the type of the field. See column: Age.';
    const phone =
      'This is not a phone number that can receive texts. Write it as +<country><number>. See column: Phone.';
    expect(csv).toBe(
      [
        '\ufeffName;Phone;Age;Note;error code;what to do',
        `Ann;+12122920001;thirty;"a;b";field:invalid_value;${age}`,
        `Ben;call me;4;;phone:invalid;${phone}`,
        '"""Cy;1;2";;;;row:malformed;The row cannot be read as CSV.',
        'Ed;+12122920003;;;row:columns;The row has another number of columns than the header.',
        '',
      ].join('\r\n'),
    );
    const corrected = csv.replace('thirty', '30').replace('call me', '+12122920009');
    const second = await world.begin(corrected, [
      'fullName',
      'phone',
      'field:age',
      'ignore',
      'ignore',
      'ignore',
    ]);
    expect((await world.ended(second)).counts).toMatchObject({ rows: 4, new: 3 });
  });

  it('takes no mapping to fields that do not exist, and no start without one', async () => {
    const { id } = await world.uploaded(people(1, 930_000));
    await expect(
      world.ask(mapImport, { id, header: true, columns: ['phone', 'ignore', 'ignore', 'field:nothing'] }),
    ).rejects.toMatchObject({ code: 'import:mapping_invalid', data: { path: 'columns[3]' } });
    await expect(world.ask(startImport, { id, consent: { source: 'x' } })).rejects.toMatchObject({
      code: 'import:mapping_required',
    });
  });

  it('creates groups by name once, however often the command comes, and refuses what is no group', async () => {
    const { id } = await world.uploaded(people(2, 940_000));
    const envelope = world.by();
    const input = { id, create: ['Spring', 'Summer', 'Spring'] };
    const first = await world.ask(chooseGroups, input, envelope);
    const again = await world.ask(chooseGroups, input, envelope);
    expect(first.import.groups).toHaveLength(2);
    expect(again.import.groups).toEqual(first.import.groups);
    const { group } = await world.ask(createGroup, { name: 'Gold', kind: 'dynamic', rule: 'plan = "gold"' });
    await expect(world.ask(chooseGroups, { id, existing: [group.id] })).rejects.toMatchObject({
      code: 'group:dynamic',
      data: { path: 'existing[0]' },
    });
    const answer = await world.upload(people(1), { groups: id });
    expect([answer.status, await answer.json()]).toEqual([
      404,
      { code: 'group:not_found', data: { path: 'existing[0]' } },
    ]);
  });

  it('takes the same upload once, and refuses another file under the same command', async () => {
    const envelope = Buffer.from(JSON.stringify(world.by())).toString('base64url');
    const first = await world.uploaded(people(2, 950_000), { envelope });
    const again = await world.uploaded(people(2, 950_000), { envelope });
    expect(again).toMatchObject({ id: first.id, position: first.position });
    const other = await world.upload(people(3, 950_000), { envelope });
    expect([other.status, await other.json()]).toMatchObject([422, { code: 'request:idempotency_conflict' }]);
  });

  it.each([
    ['nothing', '', 'import:empty'],
    ['a workbook', Buffer.from('504b0304140006000800', 'hex'), 'import:not_text'],
  ])('refuses an upload of %s', async (_, content, code) => {
    const answer = await world.upload(content);
    expect([answer.status, await answer.json()]).toMatchObject([400, { code }]);
  });

  it('refuses an envelope of another account, and answers nothing of an import that is not there', async () => {
    const answer = await world.upload(people(1), { account: '01890a5d-ac96-774b-bcce-b302099a8057' });
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'request:invalid' }]);
    const rejected = await fetch(
      `${world.services.imports.url}/imports/01890a5d-ac96-774b-bcce-b302099a8057/rejected.csv?account=${world.account}`,
    );
    expect([rejected.status, await rejected.json()]).toMatchObject([404, { code: 'import:not_found' }]);
    const sample = await fetch(`${world.services.imports.url}/imports/sample.csv`);
    expect(await sample.text()).toMatch(/^First name,Last name,Phone/);
  });

  it('stops after the chunk at hand when it is cancelled, and keeps count of what was taken in', async () => {
    const id = await world.begin(people(8_000, 1_000_000), PEOPLE_COLUMNS);
    await eventually(async () => (await world.look(id)).counts.rows > 0, 60_000);
    await world.ask(cancelImport, { id });
    await eventually(async () => (await world.look(id)).visible, 180_000);
    // Chunks that were under way when it was cancelled are taken in and counted a moment later, however slow the machine is.
    const told = async (): Promise<[number, number | undefined]> => {
      const { counts, position } = await world.look(id);
      const query = 'phone ^= "+12123"';
      const found = await world.ask(findMembers, { query, count: true, limit: 1, atLeast: position });
      return [counts.new, found.total];
    };
    await eventually(async () => {
      const [counted, total] = await told();
      expect(total).toBe(counted);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      expect(await told()).toEqual([counted, counted]);
    }, 60_000);
    const view = await world.look(id);
    expect(view.state).toBe('cancelled');
    expect(view.counts.rows).toBeLessThan(8_000);
    await expect(world.ask(startImport, { id, consent: { source: 'x' } })).rejects.toMatchObject({
      code: 'import:wrong_state',
    });
  });

  it('lists imports newest first, one page at a time', async () => {
    const ids: string[] = [];
    let after: string | undefined;
    do {
      const page = await world.ask(listImports, { limit: 3, after });
      expect(page.items.length).toBeLessThanOrEqual(3);
      ids.push(...page.items.map(({ id }) => id));
      after = page.next ?? undefined;
    } while (after !== undefined);
    const all = await world.ask(listImports, { limit: 100 });
    expect(ids).toEqual(all.items.map(({ id }) => id));
    const times = all.items.map(({ createdAt }) => createdAt);
    expect(times).toEqual([...times].sort().reverse());
    expect(new Set(ids).size).toBe(ids.length);
  });
});
