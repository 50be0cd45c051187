import { Refusal } from '@muster/contracts/errors';
import type { KeywordEvent } from '@muster/contracts/inbound';
import { meaningOf, normaliseText } from './words.js';

export interface KeywordState {
  life: 'none' | 'live' | 'removed';
  keywordId: string;
  word: string;
  endpointId?: string | undefined;
  groups: string[];
  response?: string | undefined;
  active: boolean;
}

export const NO_KEYWORD: KeywordState = { life: 'none', keywordId: '', word: '', groups: [], active: false };

export function evolve(state: KeywordState, event: KeywordEvent): KeywordState {
  switch (event.type) {
    case 'KeywordAdded':
      return { life: 'live', active: true, ...event.data };
    case 'KeywordChanged': {
      const { groups, response, active } = event.data;
      return {
        ...state,
        groups: groups ?? state.groups,
        response: response === undefined ? state.response : (response ?? undefined),
        active: active ?? state.active,
      };
    }
    case 'KeywordRemoved':
      return { ...state, life: 'removed', active: false };
    default:
      return state;
  }
}

export interface NewKeyword {
  keywordId: string;
  word: string;
  endpointId?: string | undefined;
  groups: string[];
  response?: string | undefined;
  /** Other live keywords of the account. */
  others: readonly Pick<KeywordState, 'keywordId' | 'word' | 'endpointId'>[];
}

/** @throws Refusal `keyword:invalid`, `keyword:reserved` (R18), `keyword:taken` */
export function addKeyword(state: KeywordState, { others, ...keyword }: NewKeyword): KeywordEvent[] {
  if (state.life !== 'none') return [];
  const word = normaliseText(keyword.word);
  if (meaningOf(keyword.word)) throw new Refusal('keyword:reserved', { path: 'word' });
  if (!/^[\p{L}\p{N}]{1,40}$/u.test(word)) throw new Refusal('keyword:invalid', { path: 'word' });
  const clash = others.some((other) => other.word === word && overlap(other.endpointId, keyword.endpointId));
  if (clash) throw new Refusal('keyword:taken', { path: 'word' });
  const { keywordId, endpointId, groups, response } = keyword;
  const optional = { ...(endpointId ? { endpointId } : {}), ...(response ? { response } : {}) };
  return [{ type: 'KeywordAdded', data: { keywordId, word, groups, ...optional } }];
}

/** A keyword without an endpoint listens on all of them. */
const overlap = (a: string | undefined, b: string | undefined): boolean =>
  a === undefined || b === undefined || a === b;

export interface KeywordChange {
  groups?: string[] | undefined;
  response?: string | null | undefined;
  active?: boolean | undefined;
}

/** @throws Refusal `keyword:not_found` */
export function changeKeyword(state: KeywordState, change: KeywordChange): KeywordEvent[] {
  if (state.life !== 'live') throw new Refusal('keyword:not_found');
  const data = {
    ...(change.groups && change.groups.join() !== state.groups.join() ? { groups: change.groups } : {}),
    ...(change.response !== undefined && (change.response ?? undefined) !== state.response
      ? { response: change.response }
      : {}),
    ...(change.active !== undefined && change.active !== state.active ? { active: change.active } : {}),
  };
  return Object.keys(data).length === 0 ? [] : [{ type: 'KeywordChanged', data }];
}

/** @throws Refusal `keyword:not_found` for one that never was; removing twice changes nothing */
export function removeKeyword(state: KeywordState): KeywordEvent[] {
  if (state.life === 'none') throw new Refusal('keyword:not_found');
  return state.life === 'removed' ? [] : [{ type: 'KeywordRemoved', data: {} }];
}
