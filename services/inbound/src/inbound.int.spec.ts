import { findByDetail } from '@muster/contracts/contact';
import { createGroup, findMembers } from '@muster/contracts/group';
import {
  addKeyword,
  changeKeyword,
  listEndpoints,
  listInbound,
  removeEndpoint,
} from '@muster/contracts/inbound';
import type { Refusal } from '@muster/contracts/errors';
import { uuid7 } from '@muster/contracts/ids';
import { streamName } from '@muster/contracts/names';
import { Accounts } from '@muster/event-store/accounts';
import { bootstrap, type Running } from '@muster/runtime/bootstrap';
import { eventually } from '@muster/testing/eventually';
import type { Service } from '@muster/testing/processes';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { InboundEnv } from './config.js';
import { inboundModule } from './inbound.module.js';
import { accountSid, freshPhone, SENDER, World } from './test-world.js';

const EMPTY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>';
const DONE = ['InboundReceived', 'InboundClassified', 'InboundDone'];
let serial = 0;
const freshSid = (): string => `SM${String((serial += 1)).padStart(32, '0')}`;
const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();

describe('inbound messages, two replicas with the real services behind them', () => {
  let world: World;
  let hosted: Running;
  let child: Service;

  beforeAll(async () => {
    world = await World.start(['compliance', 'contacts', 'groups']);
    const env = InboundEnv.parse({ ...world.variables, HTTP_PORT: '0', LOG_LEVEL: 'silent' });
    hosted = await bootstrap({ service: 'inbound', module: inboundModule(env), env });
    child = await world.startOne('inbound');
    await world.connect();
  });
  afterAll(async () => {
    await hosted?.close();
    await world?.stop();
  });

  const contactOf = async (phone: string): Promise<string | null> =>
    (await world.bus.ask(findByDetail, world.by(), { kind: 'phone', value: phone })).contactId;
  const replies = (answers: readonly { body: string }[]): string[] =>
    answers.map((answer) => answer.body).filter((body) => body.includes('<Message>'));

  it('refuses a number at the gate from the moment its STOP was answered', async () => {
    for (let round = 0; round < 5; round += 1) {
      const from = freshPhone();
      await world.contact(from);
      const sid = freshSid();
      const answer = await world.bring({ sid, from, text: ' Stop.\n' });
      expect(await world.gate(from)).toBe('opted_out');
      expect(answer).toMatchObject({ status: 200, contentType: 'text/xml; charset=utf-8' });
      expect(answer.body).toContain('Test Club: You have opted out');
      expect(await world.types(sid)).toEqual(DONE);
      expect(await world.said(from)).toEqual(['ConsentRevoked revoked']);
    }
  });

  it('does everything once and replies once when a message is delivered ten times at once', async () => {
    for (let round = 0; round < 5; round += 1) {
      const [from, sid] = [freshPhone(), freshSid()];
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => world.bring({ sid, from, text: 'STOP' })),
      );
      expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 200));
      expect(replies(answers)).toHaveLength(1);
      expect(await world.types(sid)).toEqual(DONE);
      expect(await world.said(from)).toEqual(['ConsentRevoked revoked']);
      expect((await world.bring({ sid, from, text: 'STOP' })).body).toBe(EMPTY);
    }
    const handled = (running: { output(): string }): boolean => running.output().includes('receive-webhook');
    expect(handled(child)).toBe(true);
  });

  it('suppresses an unknown number that says STOP, and makes no contact of it', async () => {
    const from = freshPhone();
    await world.bring({ sid: freshSid(), from, text: 'please stop texting me' });
    expect(await world.gate(from)).toBe('opted_out');
    expect(await contactOf(from)).toBeNull();
  });

  it('opts out by the mark of the carrier, and leaves the reply to the carrier', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    await world.contact(from);
    const more = { OptOutType: 'STOP' };
    expect((await world.bring({ sid, from, text: 'Basta, Wilhelmina', more })).body).toBe(EMPTY);
    expect(await world.gate(from)).toBe('opted_out');
  });

  it('lets START lift a STOP that is older than half a minute, and none that is younger', async () => {
    const from = freshPhone();
    await world.contact(from);
    await world.bring({ sid: freshSid(), from, text: 'STOP' }, { at: ago(100) });
    const early = await world.bring({ sid: freshSid(), from, text: 'START' }, { at: ago(80) });
    expect(early.body).toBe(EMPTY);
    expect(await world.gate(from)).toBe('opted_out');
    const answer = await world.bring({ sid: freshSid(), from, text: 'Unstop' });
    expect(answer.body).toContain('You have opted in again');
    expect(await world.gate(from)).toBe('allowed');
  });

  it('keeps a STOP that arrives late beside the START that outranks it', async () => {
    const from = freshPhone();
    await world.bring({ sid: freshSid(), from, text: 'START' });
    await world.bring({ sid: freshSid(), from, text: 'STOP' }, { at: ago(600) });
    expect(await world.said(from)).toHaveLength(2);
  });

  it('makes a contact of an unknown number that says anything else, once', async () => {
    const from = freshPhone();
    const sid = freshSid();
    const answers = await Promise.all([1, 2, 3].map(() => world.bring({ sid, from, text: 'hello' })));
    expect(replies(answers)).toEqual([]);
    const contactId = (await contactOf(from)) as string;
    await world.bring({ sid: freshSid(), from, text: 'hello again' });
    const events = await world.store.read(streamName('contact', world.account, contactId));
    expect(events.map((fact) => fact.type)).toEqual(['ContactRegistered']);
    const done = (await world.recorded(sid)).at(-1);
    expect(done?.data).toMatchObject({ contactId, contactCreated: true, reply: 'none' });
  });

  it('changes nothing for HELP, and answers it', async () => {
    const from = freshPhone();
    const answer = await world.bring({ sid: freshSid(), from, text: 'help' });
    expect(answer.body).toContain('Reply STOP to opt out');
    expect(await contactOf(from)).toBeNull();
    expect(await world.said(from)).toEqual([]);
  });

  it('adds who texts a keyword to its group and answers once, but not a number that opted out', async () => {
    const { group } = await world.bus.ask(createGroup, world.by(), { name: `Fans ${uuid7()}` });
    const gone = uuid7();
    const { keyword } = await world.bus.ask(addKeyword, world.by(), {
      word: 'Join',
      groups: [gone, group.id],
      response: 'Welcome & hello!',
    });
    const [from, sid] = [freshPhone(), freshSid()];
    const answers = await Promise.all([1, 2, 3, 4].map(() => world.bring({ sid, from, text: 'JOIN!' })));
    expect(replies(answers)).toEqual([expect.stringContaining('Welcome &amp; hello!')]);
    const contactId = await contactOf(from);
    const members = () => world.bus.ask(findMembers, world.by(), { group: group.id });
    await eventually(async () => {
      expect((await members()).items.map((item) => item.id)).toEqual([contactId]);
    });
    await world.bring({ sid: freshSid(), from, text: 'STOP' });
    expect((await world.bring({ sid: freshSid(), from, text: 'join' })).body).toBe(EMPTY);
    expect(await world.gate(from)).toBe('opted_out');
    await world.bus.ask(changeKeyword, world.by(), { id: keyword.id, active: false });
    const other = freshPhone();
    expect((await world.bring({ sid: freshSid(), from: other, text: 'join' })).body).toBe(EMPTY);
  });

  it('refuses a wrong signature and puts nothing on record', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    const signature = `${'A'.repeat(27)}=`;
    await expect(world.bring({ sid, from, text: 'STOP' }, { signature })).rejects.toMatchObject({
      code: 'webhook:signature',
    });
    expect(await world.types(sid)).toEqual([]);
    expect(await world.said(from)).toEqual([]);
  });

  it('looks up what may have changed once for a flood of bad signatures, and takes the next good one', async () => {
    const refresh = vi.spyOn(hosted.app.get(Accounts), 'refresh');
    const signature = `${'A'.repeat(27)}=`;
    const knock = (): Promise<string> =>
      world.deliver({ sid: freshSid(), from: freshPhone(), text: 'STOP' }, { signature }).then(
        ({ status }) => String(status),
        (error: unknown) => (error as Refusal).code,
      );
    const begun = Date.now();
    await eventually(async () => {
      const answers = await Promise.all(Array.from({ length: 60 }, knock));
      expect(new Set(answers)).toEqual(new Set(['webhook:signature']));
      return refresh.mock.calls.length > 0;
    });
    const seconds = Math.ceil((Date.now() - begun) / 1_000);
    expect(refresh.mock.calls.length).toBeLessThanOrEqual(seconds + 1);
    refresh.mockRestore();
    expect((await world.bring({ sid: freshSid(), from: freshPhone(), text: 'STOP' })).status).toBe(200);
  });

  it('refuses an endpoint that is not there', async () => {
    const unknown = world.bring({ sid: freshSid(), from: freshPhone() }, { endpointId: uuid7() });
    await expect(unknown).rejects.toMatchObject({ code: 'endpoint:not_found' });
    const { items } = await world.bus.ask(listEndpoints, world.by(), {});
    expect(items).toEqual([
      expect.objectContaining({ id: world.endpointId, provider: 'twilio', senders: [SENDER] }),
    ]);
    expect(JSON.stringify(items)).not.toContain(accountSid);
  });

  it('refuses an endpoint that was removed, on the replica that has met it, too', async () => {
    const own = world.endpointId;
    await world.connect();
    const removed = world.endpointId;
    world.endpointId = own;
    const knock = (): Promise<string> =>
      world.bring({ sid: freshSid(), from: freshPhone(), text: 'HELP' }, { endpointId: removed }).then(
        ({ status }) => String(status),
        (error: unknown) => (error as Refusal).code,
      );
    const knocks = (): Promise<string[]> => Promise.all(Array.from({ length: 12 }, knock));
    expect(new Set(await knocks())).toEqual(new Set(['200']));
    await world.bus.ask(removeEndpoint, world.by(), { id: removed });
    await eventually(async () => (await knocks()).every((answer) => answer === 'endpoint:not_found'));
  });

  it('answers 200 to what is signed and malformed, so that it does not come for ever', async () => {
    for (let n = 0; n < 12; n += 1) {
      expect(await world.bring({ sid: '', from: freshPhone(), text: 'STOP' })).toMatchObject({
        status: 200,
        body: EMPTY,
      });
    }
    expect(child.output()).toContain('a signed webhook is malformed');
    const report = { MessageStatus: 'delivered' };
    const sid = freshSid();
    expect((await world.bring({ sid, from: freshPhone(), more: report })).status).toBe(200);
    expect(await world.types(sid)).toEqual([]);
  });

  it.each(['MTN', '38421', 'anonymous', 'rcs:brand_agent'])(
    'finishes a message of the sender %s',
    async (from) => {
      const sid = freshSid();
      expect(await world.bring({ sid, from, text: 'STOP' })).toMatchObject({ status: 200, body: EMPTY });
      expect(await world.types(sid)).toEqual(DONE);
    },
  );

  it('takes a sender name that is longer than a statement may name, and any count of attachments', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    const more = { To: `rcs:${'x'.repeat(200)}`, NumMedia: '-5' };
    expect((await world.bring({ sid, from, text: 'STOP', more })).status).toBe(200);
    expect(await world.gate(from)).toBe('opted_out');
  });

  it('seals what was written, in the log, and writes it to no process output', async () => {
    const from = freshPhone();
    const text = 'Dear Wilhelmina Quux, my code is seven';
    const sids = Array.from({ length: 8 }, freshSid);
    for (const sid of sids) await world.bring({ sid, from, text });
    const stop = freshSid();
    await world.bring({ sid: stop, from, text: `STOP\n${text}`, more: { OptOutType: 'STOP' } });
    for (const sid of [...sids, stop]) {
      expect((await world.recorded(sid))[0]?.data).toMatchObject({ from });
      for await (const { event } of world.store.client.readStream(world.messageStream(sid))) {
        const raw = JSON.stringify([event?.data, event?.metadata, event?.streamId]);
        expect(raw).not.toMatch(/wilhelmina|quux/i);
        expect(raw).not.toContain(from.slice(1));
      }
    }
    const printed = world.services.map((service) => service.output()).join('\n');
    expect(printed).toContain('receive-webhook');
    expect(printed).not.toMatch(/wilhelmina|quux/i);
    expect(printed).not.toContain(from.slice(1));
  });

  it('lists messages newest first, in pages', async () => {
    const from = freshPhone();
    const sids = [freshSid(), freshSid(), freshSid()];
    for (const sid of sids) await world.bring({ sid, from, text: `Message ${sid}` });
    const first = await world.bus.ask(listInbound, world.by(), { limit: 2 });
    const next = await world.bus.ask(listInbound, world.by(), { limit: 1, after: first.next as string });
    expect([...first.items, ...next.items].map((item) => item.text)).toEqual(
      sids.toReversed().map((sid) => `Message ${sid}`),
    );
    expect(first.items[0]).toMatchObject({ from, to: SENDER, classification: 'message', done: true });
    const wrong = world.bus.ask(listInbound, world.by(), { after: 'tomorrow' });
    await expect(wrong).rejects.toMatchObject({ code: 'request:invalid', data: { path: 'after' } });
  });

  it('verifies under the public address of the account as soon as that has changed', async () => {
    await world.appendToAccount(
      [{ type: 'AccountChanged', data: { publicUrl: 'https://other.example' } }],
      0,
    );
    const [from, sid] = [freshPhone(), freshSid()];
    expect((await world.bring({ sid, from, text: 'STOP' })).status).toBe(200);
  });

  it('makes no contact where the policy says so, and still opts out and in', async () => {
    await world.appendToAccount([{ type: 'PolicyChanged', data: { policy: { inboundCreates: false } } }], 1);
    await eventually(async () => {
      const from = freshPhone();
      await Promise.all([1, 2, 3].map(() => world.bring({ sid: freshSid(), from, text: 'hello' })));
      expect(await contactOf(from)).toBeNull();
    });
    const from = freshPhone();
    await world.bring({ sid: freshSid(), from, text: 'STOP' }, { at: ago(100) });
    await world.bring({ sid: freshSid(), from, text: 'START' });
    expect(await world.said(from)).toEqual(['ConsentRevoked revoked', 'ConsentGranted granted']);
    expect(await contactOf(from)).toBeNull();
  });
});
