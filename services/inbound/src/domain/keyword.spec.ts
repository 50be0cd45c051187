import type { KeywordEvent } from '@muster/contracts/inbound';
import { scenario } from '@muster/testing/given';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import {
  addKeyword,
  changeKeyword,
  evolve,
  NO_KEYWORD,
  removeKeyword,
  type KeywordState,
  type NewKeyword,
} from './keyword.js';

const keywordId = idNumber(1);
const groups = [idNumber(21)];
const [here, there] = [idNumber(31), idNumber(32)];
const wanted = (more: Partial<NewKeyword> = {}): NewKeyword => ({
  keywordId,
  word: 'Join!',
  groups,
  others: [],
  ...more,
});
const added = (more: object = {}): KeywordEvent => ({
  type: 'KeywordAdded',
  data: { keywordId, word: 'join', groups, ...more },
});
const changed = (data: Extract<KeywordEvent, { type: 'KeywordChanged' }>['data']): KeywordEvent => ({
  type: 'KeywordChanged',
  data,
});
const removed: KeywordEvent = { type: 'KeywordRemoved', data: {} };
const { given } = scenario<KeywordState, KeywordEvent>({ initial: NO_KEYWORD, evolve });

describe('adding a keyword', () => {
  it('keeps the word as messages compare it', () => {
    given([])
      .when((state) => addKeyword(state, wanted()))
      .emits([added()]);
    given([])
      .when((state) => addKeyword(state, wanted({ word: 'ＪＯＩＮ', endpointId: here, response: 'Hi!' })))
      .emits([added({ endpointId: here, response: 'Hi!' })]);
  });

  it.each([
    'stop',
    'STOP!',
    'Ｓｔｏｐ',
    's t o p',
    'stop all',
    'opt-out',
    'OptOut',
    'unsubscribe',
    'cancel',
    'end',
    'quit',
    'revoke',
    'ARRÊT',
    'start',
    'unstop',
    'help',
    'info',
    'aide',
    'please stop',
    'remove me',
  ])('refuses the mandatory word %j', (word) => {
    given([])
      .when((state) => addKeyword(state, wanted({ word })))
      .refuses('keyword:reserved', { path: 'word' });
  });

  it.each(['two words', '!!!', '', '🛑', 'x'.repeat(41)])('refuses %j, which is no word', (word) => {
    given([])
      .when((state) => addKeyword(state, wanted({ word })))
      .refuses('keyword:invalid', { path: 'word' });
  });

  it.each([
    [undefined, undefined],
    [undefined, here],
    [here, undefined],
    [here, here],
  ])('refuses a word that is in use where both listen: %s and %s', (endpointId, other) => {
    const others = [{ keywordId: idNumber(2), word: 'join', endpointId: other }];
    given([])
      .when((state) => addKeyword(state, wanted({ endpointId, others })))
      .refuses('keyword:taken', { path: 'word' });
  });

  it('takes the same word for another endpoint', () => {
    const others = [{ keywordId: idNumber(2), word: 'join', endpointId: there }];
    given([])
      .when((state) => addKeyword(state, wanted({ endpointId: here, others })))
      .emits([added({ endpointId: here })]);
  });

  it('changes nothing the second time', () => {
    given([added()])
      .when((state) => addKeyword(state, wanted()))
      .changesNothing();
  });
});

describe('changing a keyword', () => {
  it('records what is new and nothing else', () => {
    given([added({ response: 'Hi!' })])
      .when((state) => changeKeyword(state, { groups, response: 'Hello!', active: true }))
      .emits([changed({ response: 'Hello!' })]);
  });

  it('takes the response away, switches off and on', () => {
    given([added({ response: 'Hi!' })])
      .when((state) => changeKeyword(state, { response: null }))
      .emits([changed({ response: null })]);
    given([added(), changed({ active: false })])
      .when((state) => changeKeyword(state, { active: true }))
      .emits([changed({ active: true })]);
  });

  it('changes nothing when all is so already', () => {
    given([added()])
      .when((state) => changeKeyword(state, { groups, response: null, active: true }))
      .changesNothing();
  });

  it('folds to what was said last', () => {
    const state = given([added({ response: 'Hi!' }), changed({ active: false, response: null })]).state();
    expect(state).toMatchObject({ life: 'live', active: false, groups });
    expect(state.response).toBeUndefined();
  });

  it('is refused for one that never was or is gone', () => {
    given([])
      .when((state) => changeKeyword(state, { active: false }))
      .refuses('keyword:not_found');
    given([added(), removed])
      .when((state) => changeKeyword(state, { active: false }))
      .refuses('keyword:not_found');
  });
});

describe('removing a keyword', () => {
  it('is for good, and changes nothing the second time', () => {
    given([added()]).when(removeKeyword).emits([removed]);
    given([added(), removed]).when(removeKeyword).changesNothing();
    given([added(), removed])
      .when((state) => addKeyword(state, wanted()))
      .changesNothing();
  });

  it('is refused for one that never was', () => {
    given([]).when(removeKeyword).refuses('keyword:not_found');
  });
});
