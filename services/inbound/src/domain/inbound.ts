import type { Classification, InboundEvent } from '@muster/contracts/inbound';
import { mandatoryWord, normaliseText, wordOfMark } from './words.js';

type Received = Extract<InboundEvent, { type: 'InboundReceived' }>['data'];
type Done = Extract<InboundEvent, { type: 'InboundDone' }>['data'];

export interface InboundState {
  received: Received | null;
  classification: { as: Classification; word?: string | undefined; keywordId?: string | undefined } | null;
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
 * Says what a message is. The carrier's mark STOP always opts out, and so does the text (R17); START and HELP are
 * exact words only (R16); a mandatory word wins over any keyword (R18).
 */
export function classify(state: InboundState, keywords: readonly ActiveKeyword[]): InboundEvent[] {
  if (state.received === null || state.classification !== null) return [];
  const { text, optOutMark, endpointId } = state.received;
  const normalised = normaliseText(text ?? '');
  const mark = wordOfMark(optOutMark);
  const word = mandatoryWord(normalised);
  const mandatory = mark === 'stop' || word === 'stop' ? 'stop' : (word ?? (mark === 'help' ? 'help' : null));
  if (mandatory)
    return [{ type: 'InboundClassified', data: { as: mandatory, word: normalised.slice(0, 40) } }];
  const keyword = keywords.find(
    (one) => one.word === normalised && (one.endpointId === undefined || one.endpointId === endpointId),
  );
  const data = keyword
    ? { as: 'keyword' as const, word: keyword.word, keywordId: keyword.keywordId }
    : { as: 'message' as const };
  return [{ type: 'InboundClassified', data }];
}

/** Closes a message: everything that follows from it has happened. */
export function finish(state: InboundState, done: Done): InboundEvent[] {
  return state.classification === null || state.done !== null ? [] : [{ type: 'InboundDone', data: done }];
}
