import { randomUUID } from 'node:crypto';
import { findByDetail } from '@muster/contracts/contact';
import { eventually } from '@muster/testing/eventually';
import type { Service } from '@muster/testing/processes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshPhone, World } from './test-world.js';

const DONE = ['InboundReceived', 'InboundClassified', 'InboundDone'];
const freshSid = (): string => `SM${randomUUID().replaceAll('-', '')}`;
const FINISHED_WITHIN_MS = 40_000;

describe('inbound messages when processes die', () => {
  let world: World;
  let compliance: Service;
  let inbound: Service;

  beforeAll(async () => {
    world = await World.start(['compliance', 'contacts', 'inbound']);
    compliance = world.services.find((service) => service.name === 'compliance') as Service;
    inbound = world.services.find((service) => service.name === 'inbound') as Service;
    await world.connect();
  });
  afterAll(() => world?.stop());

  const contactOf = async (phone: string): Promise<string | null> =>
    (await world.bus.ask(findByDetail, world.by(), { kind: 'phone', value: phone })).contactId;
  const untilDone = (sid: string): Promise<void> =>
    eventually(async () => expect(await world.types(sid)).toEqual(DONE), FINISHED_WITHIN_MS);
  /** Kills the process at the moment the first event of the message is in the log and the last is not. */
  async function killOnceReceived(sid: string, victim: Service): Promise<string[]> {
    await eventually(async () => expect((await world.types(sid)).length).toBeGreaterThan(0));
    await victim.kill();
    return world.types(sid);
  }

  it('answers 503 while compliance is down, keeps the STOP, and finishes it without another delivery', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    await world.contact(from);
    await compliance.kill();
    const answers = await Promise.all([1, 2].map(() => world.deliver({ sid, from, text: 'STOP' })));
    expect(answers.map((answer) => answer.status)).toEqual([503, 503]);
    expect(answers.map((answer) => answer.position)).toEqual([null, null]);
    expect(await world.types(sid)).toEqual(['InboundReceived', 'InboundClassified']);
    await compliance.restart();
    await untilDone(sid);
    expect(await world.gate(from)).toBe('opted_out');
    expect(await world.said(from)).toEqual(['ConsentRevoked revoked']);
  });

  it('replies with the first delivery that is answered 200, once, after others were told to come again', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    await compliance.kill();
    expect(await world.deliver({ sid, from, text: 'STOP' })).toMatchObject({ status: 503 });
    await compliance.restart();
    await untilDone(sid);
    const answers = await Promise.all([1, 2, 3].map(() => world.bring({ sid, from, text: 'STOP' })));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    expect(answers.filter((answer) => answer.body.includes('You have opted out'))).toHaveLength(1);
    const late = new Date(Date.now() + 6 * 60_000).toISOString();
    const [other, otherSid] = [freshPhone(), freshSid()];
    await compliance.kill();
    expect(await world.deliver({ sid: otherSid, from: other, text: 'STOP' })).toMatchObject({ status: 503 });
    await compliance.restart();
    await untilDone(otherSid);
    const tooLate = await world.bring({ sid: otherSid, from: other, text: 'STOP' }, { at: late });
    expect(tooLate.status).toBe(200);
    expect(tooLate.body).not.toContain('<Message>');
  });

  it('answers 503 in time when compliance hangs, and goes on when it wakes', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    await world.contact(from);
    await compliance.kill('SIGSTOP');
    try {
      expect(await world.deliver({ sid, from, text: 'STOP' })).toMatchObject({ status: 503 });
      expect(await world.types(sid)).toEqual(['InboundReceived', 'InboundClassified']);
    } finally {
      await compliance.kill('SIGCONT');
    }
    await untilDone(sid);
    expect(await world.gate(from)).toBe('opted_out');
    expect(await world.said(from)).toEqual(['ConsentRevoked revoked']);
  });

  it('finishes after its next start what a kill -9 interrupted between receipt and outcome', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    await world.contact(from);
    await compliance.kill();
    const lost = world.deliver({ sid, from, text: 'STOP' }).catch(() => 'lost');
    const interrupted = await killOnceReceived(sid, inbound);
    expect(interrupted).not.toContain('InboundDone');
    expect(inbound.running).toBe(false);
    await lost;
    await compliance.restart();
    expect(await world.said(from)).toEqual([]);
    await inbound.restart();
    await untilDone(sid);
    expect(await world.gate(from)).toBe('opted_out');
    expect(await world.said(from)).toEqual(['ConsentRevoked revoked']);
    expect((await world.bring({ sid, from, text: 'STOP' })).status).toBe(200);
    expect(await world.types(sid)).toEqual(DONE);
  });

  it('finishes each of many messages exactly once when it is killed in the midst of them', async () => {
    const messages = Array.from({ length: 30 }, (_, n) => ({
      sid: freshSid(),
      from: freshPhone(),
      text: n % 2 === 0 ? 'STOP' : 'hello',
    }));
    const answers = messages.map((message) => world.deliver(message).catch(() => null));
    await Promise.race(answers);
    await inbound.kill();
    const acknowledged = (await Promise.all(answers)).map((answer) => answer?.status === 200);
    const atTheKill = await Promise.all(messages.map(({ sid }) => world.types(sid)));
    expect(atTheKill.filter((types) => !types.includes('InboundDone')).length).toBeGreaterThan(0);
    const promised = atTheKill.filter((_, index) => acknowledged[index]);
    expect(promised).toEqual(promised.map(() => DONE));
    await inbound.restart();
    const recorded = messages.filter((_, index) => (atTheKill[index] as string[]).length > 0);
    for (const { sid } of recorded) await untilDone(sid);
    for (const { from, text } of recorded) {
      const stopped = text === 'STOP';
      expect(await world.said(from)).toEqual(stopped ? ['ConsentRevoked revoked'] : []);
      expect((await contactOf(from)) === null).toBe(stopped);
    }
  });

  it('holds a STOP that two replicas and their reactors race for, while one of them is killed', async () => {
    const second = await world.startOne('inbound');
    const [from, sid] = [freshPhone(), freshSid()];
    await world.contact(from);
    await compliance.kill();
    const answers = Array.from({ length: 10 }, () => world.deliver({ sid, from, text: 'STOP' }));
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual(answers.map(() => 503));
    expect(await world.types(sid)).toEqual(['InboundReceived', 'InboundClassified']);
    await compliance.restart();
    const again = Array.from({ length: 10 }, () =>
      world.deliver({ sid, from, text: 'STOP' }).catch(() => null),
    );
    await Promise.race(again);
    await second.kill();
    const bodies = (await Promise.all(again)).map((answer) => answer?.body ?? '');
    expect(second.running).toBe(false);
    expect(bodies.filter((body) => body.includes('<Message>')).length).toBeLessThanOrEqual(1);
    await untilDone(sid);
    expect(await world.gate(from)).toBe('opted_out');
    expect(await world.said(from)).toEqual(['ConsentRevoked revoked']);
  });

  it('takes messages again after the event store was killed, and keeps what it had', async () => {
    const [from, sid] = [freshPhone(), freshSid()];
    await world.servers.eventStore.kill();
    const answer = await world.deliver({ sid, from, text: 'STOP' }).catch((error: unknown) => error);
    expect((answer as { status?: number }).status ?? 503).toBe(503);
    expect(world.servers.eventStore.running).toBe(false);
    await world.servers.eventStore.restart();
    await eventually(async () => {
      expect((await world.deliver({ sid, from, text: 'STOP' })).status).toBe(200);
    }, FINISHED_WITHIN_MS);
    await untilDone(sid);
    expect(await world.gate(from)).toBe('opted_out');
  });
});
