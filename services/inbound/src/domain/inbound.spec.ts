import type { InboundEvent } from '@muster/contracts/inbound';
import { scenario } from '@muster/testing/given';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import { classify, evolve, finish, NOT_RECEIVED, receive, type InboundState } from './inbound.js';

type Received = Extract<InboundEvent, { type: 'InboundReceived' }>['data'];
type Done = Extract<InboundEvent, { type: 'InboundDone' }>['data'];

const endpointId = idNumber(1);
const message = (text: string | undefined, more: Partial<Received> = {}): Received => ({
  provider: 'twilio',
  endpointId,
  providerMessageId: 'SM1',
  detailKey: 'ab'.repeat(32),
  sender: '+15555550199',
  assurance: 'high',
  receivedAt: '2026-01-02T03:04:05.678Z',
  from: '+15555550100',
  media: 0,
  ...(text === undefined ? {} : { text }),
  ...more,
});
const received = (text?: string, more: Partial<Received> = {}): InboundEvent => ({
  type: 'InboundReceived',
  data: message(text, more),
});
type Classified = Extract<InboundEvent, { type: 'InboundClassified' }>['data'];
const classified = (data: Classified): InboundEvent => ({ type: 'InboundClassified', data });
const outcome: Done = { contactId: null, contactCreated: false, reply: 'opted_out', position: 7 };
const done: InboundEvent = { type: 'InboundDone', data: outcome };

const { given } = scenario<InboundState, InboundEvent>({ initial: NOT_RECEIVED, evolve });

describe('receiving', () => {
  it('puts a message on record', () => {
    given([])
      .when((state) => receive(state, message('Stop')))
      .emits([received('Stop')]);
  });

  it('keeps the first receipt when it is delivered again later', () => {
    given([received('Stop')])
      .when((state) => receive(state, message('Stop', { receivedAt: '2026-01-02T04:00:00.000Z' })))
      .changesNothing();
  });
});

describe('classifying', () => {
  const says = (text?: string, more: Partial<Received> = {}, keywords = [] as typeof ours) =>
    given([received(text, more)]).when((state) => classify(state, keywords));
  const ours = [
    { keywordId: idNumber(11), word: 'join' },
    { keywordId: idNumber(12), word: 'join', endpointId },
    { keywordId: idNumber(13), word: 'other', endpointId: idNumber(2) },
  ];

  it.each(['STOP', 'Stop.', 'ＳＴＯＰ', 'please stop texting me', 'STOP START'])('%j opts out', (text) => {
    const [event] = classify(given([received(text)]).state(), []);
    expect(event?.data).toMatchObject({ as: 'stop' });
  });

  it('opts out by the mark of the carrier, whatever the text says, and writes no text down', () => {
    says('I am Ann Lee, leave me be', { optOutMark: 'STOP' }).emits([classified({ as: 'stop' })]);
    says('START', { optOutMark: 'STOP' }).emits([classified({ as: 'stop' })]);
    says(undefined, { optOutMark: 'stop' }).emits([classified({ as: 'stop' })]);
  });

  it('opts out by the text, whatever the mark of the carrier says', () => {
    says('STOP', { optOutMark: 'START' }).emits([classified({ as: 'stop', word: 'stop' })]);
    says('STOP', { optOutMark: 'HELP' }).emits([classified({ as: 'stop', word: 'stop' })]);
  });

  it('opts in by the exact word and never by the mark alone', () => {
    says('Unstop', { optOutMark: 'START' }).emits([classified({ as: 'start', word: 'unstop' })]);
    says('YES', { optOutMark: 'START' }).emits([classified({ as: 'message' })]);
    says('start now please').emits([classified({ as: 'message' })]);
  });

  it('helps by the word and by the mark', () => {
    says('Info').emits([classified({ as: 'help', word: 'info' })]);
    says('Hilfe', { optOutMark: 'HELP' }).emits([classified({ as: 'help' })]);
  });

  it('knows keywords, and prefers that of the endpoint', () => {
    const [everywhere, here] = ours;
    says(' Join! ', {}, ours).emits([
      classified({ as: 'keyword', word: 'join', keywordId: here?.keywordId as string }),
    ]);
    says('JOIN', {}, [everywhere as (typeof ours)[0]]).emits([
      classified({ as: 'keyword', word: 'join', keywordId: everywhere?.keywordId as string }),
    ]);
    says('join us', {}, ours).emits([classified({ as: 'message' })]);
    says('other', {}, ours).emits([classified({ as: 'message' })]);
  });

  it('lets a mandatory word win over a keyword that came to be the same', () => {
    says('STOP', {}, [{ keywordId: idNumber(14), word: 'stop' }]).emits([
      classified({ as: 'stop', word: 'stop' }),
    ]);
  });

  it('takes a message without text for a message', () => {
    says(undefined, { media: 2 }).emits([classified({ as: 'message' })]);
  });

  it('happens once, and not before a message is there', () => {
    given([received('Stop'), classified({ as: 'message' })])
      .when((state) => classify(state, []))
      .changesNothing();
    given([])
      .when((state) => classify(state, []))
      .changesNothing();
  });
});

describe('finishing', () => {
  it('records the outcome', () => {
    given([received('Stop'), classified({ as: 'stop' })])
      .when((state) => finish(state, outcome))
      .emits([done]);
  });

  it('happens once', () => {
    given([received('Stop'), classified({ as: 'stop' }), done])
      .when((state) => finish(state, { ...outcome, position: 8 }))
      .changesNothing();
  });

  it('does not happen before the message is classified', () => {
    given([received('Stop')])
      .when((state) => finish(state, outcome))
      .changesNothing();
  });
});
