import type { InboundEvent } from '@muster/contracts/inbound';
import { meaningOf, normaliseText, wordOfMark } from './words.js';

type Received = Extract<InboundEvent, { type: 'InboundReceived' }>['data'];
type Classified = Extract<InboundEvent, { type: 'InboundClassified' }>['data'];
type Done = Extract<InboundEvent, { type: 'InboundDone' }>['data'];

export interface InboundState {
  received: Received | null;
  classification: Classified | null;
  done: Done | null;
}

export const NOT_RECEIVED: InboundState = { received: null, classification: null, done: null };

export function evolve(state: InboundState, event: InboundEvent): InboundState {
  switch (event.type) {
    case 'InboundReceived':
      return { ...state, received: event.data };
    case 'InboundClassified':
      return { ...state, classification: event.data };
    case 'InboundDone':
      return { ...state, done: event.data };
    default:
      return state;
  }
}

/** Puts a message on record. A repeated delivery changes nothing and keeps the time of the first. */
export function receive(state: InboundState, received: Received): InboundEvent[] {
  return state.received === null ? [{ type: 'InboundReceived', data: received }] : [];
}

/** A word of the account's that adds whoever texts it to groups. */
export interface ActiveKeyword {
  keywordId: string;
  word: string;
  endpointId?: string | undefined;
}

/**
 * Says what a message is. The carrier's mark STOP always opts out, and so does the text (R17); its mark START alone
 * lifts nothing; START and HELP are exact words only (R16); a mandatory word wins over any keyword (R18). Events name
 * our own word for it and never the text, which is sealed. Of two keywords the one of this endpoint wins.
 */
export function classify(state: InboundState, keywords: readonly ActiveKeyword[]): InboundEvent[] {
  if (state.received === null || state.classification !== null) return [];
  const { text, optOutMark, endpointId } = state.received;
  const meaning = meaningOf(text ?? '');
  const mark = wordOfMark(optOutMark);
  if (mark === 'stop' && meaning?.as !== 'stop') return [classified({ as: 'stop' })];
  if (meaning) return [classified(meaning)];
  if (mark === 'help') return [classified({ as: 'help' })];
  const keyword = keywordOf(normaliseText(text ?? ''), endpointId, keywords);
  if (!keyword) return [classified({ as: 'message' })];
  return [classified({ as: 'keyword', word: keyword.word, keywordId: keyword.keywordId })];
}

const classified = (data: Classified): InboundEvent => ({ type: 'InboundClassified', data });

function keywordOf(
  normalised: string,
  endpointId: string,
  keywords: readonly ActiveKeyword[],
): ActiveKeyword | undefined {
  const same = keywords.filter((one) => one.word === normalised);
  return (
    same.find((one) => one.endpointId === endpointId) ?? same.find((one) => one.endpointId === undefined)
  );
}

/** Puts a message on record and says what it is, in one step. */
export function take(
  state: InboundState,
  received: Received,
  keywords: readonly ActiveKeyword[],
): InboundEvent[] {
  const first = receive(state, received);
  return [...first, ...classify(first.reduce(evolve, state), keywords)];
}

/** Whether a message is a mandatory word or carries such a mark: keywords then do not matter. */
export function isMandatory(received: Received): boolean {
  const [event] = classify({ ...NOT_RECEIVED, received }, []);
  return event?.type === 'InboundClassified' && event.data.as !== 'message';
}

/** Closes a message: everything that follows from it has happened. */
export function finish(state: InboundState, done: Done): InboundEvent[] {
  return state.classification === null || state.done !== null ? [] : [{ type: 'InboundDone', data: done }];
}
