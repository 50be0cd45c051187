import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mandatoryWord, meaningOf, normaliseText, wordOfMark } from './words.js';

const STOPS = [
  'STOP',
  'stop',
  'Stop.',
  'STOP!!',
  '“STOP”',
  '« STOP »',
  '「STOP」',
  '*STOP*',
  '_STOP_',
  'STOP~',
  'STOP 🛑',
  'STOP✋🏽',
  ' \u00a0STOP\u200b',
  'S\u200bT\u200bO\u200bP',
  'STOP\u200d',
  '\ufeffSTOP',
  'ST\u00adOP',
  'STOP\r\n',
  'STOP\0',
  '\tSTOP\t',
  'STOP\u3164',
  'STOP\uffa0',
  'ＳＴＯＰ',
  'ＳＴＯＰ。',
  '𝐒𝐓𝐎𝐏',
  'ⓈⓉⓄⓅ',
  'ˢᵗᵒᵖ',
  'S̶T̶O̶P̶',
  'S T O P',
  'S.T.O.P.',
  '&quot;STOP&quot;',
  '&#34;STOP&#34;',
  '&lt;STOP&gt;',
  "'STOP'",
];

describe('the text as words compare it', () => {
  it.each(STOPS)('reads %j as stop', (text) => expect(normaliseText(text)).toBe('stop'));

  it.each([
    ['ARRÊT', 'arret'],
    ['ARRE\u0302T', 'arret'],
    ['UNSUBSCRİBE', 'unsubscribe'],
    ['QUIT', 'quit'],
    ['opt out', 'opt out'],
    ['OPT-OUT', 'opt out'],
    ['opt‑out', 'opt out'],
    ['🛑', ''],
    ['', ''],
    ['ЅТОР', 'ѕтор'],
  ])('reads %j as %j', (text, normalised) => expect(normaliseText(text)).toBe(normalised));

  it('is idempotent, whatever the text', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(...STOPS, 'İ', 'ﬀ', '\u1100\u200b\u1161', '&amp;lt;', 'a b', '\u034f', '\ud800', 'Σ'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const once = normaliseText(pieces.join(''));
        expect(normaliseText(once)).toBe(once);
      }),
      { numRuns: 3_000 },
    );
  });

  it('holds nothing but letters, digits and single spaces', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(normaliseText(text)).toMatch(/^$|^[\p{L}\p{N}]+( [\p{L}\p{N}]+)*$/u);
      }),
    );
  });
});

describe('mandatory words', () => {
  const words = {
    stop: ['stop', 'stopall', 'unsubscribe', 'unsub', 'cancel', 'end', 'quit', 'revoke', 'optout', 'arret'],
    start: ['start', 'unstop'],
    help: ['help', 'info', 'aide'],
  } as const;
  const all = Object.entries(words).flatMap(([as, list]) => list.map((word) => [word, as] as const));

  it.each(all)('%s means %s, in any case and punctuation', (word, as) => {
    expect(mandatoryWord(word)).toEqual({ as, word });
    expect(meaningOf(` ${word.toUpperCase()}!\n`)).toEqual({ as, word });
  });

  it.each(['STOP ALL', 'Stop-all.', 'OPT OUT', 'Opt-Out', 'opt‑out'])('%s opts out', (text) => {
    expect(meaningOf(text)?.as).toBe('stop');
  });

  it.each([
    'Stop. Thank you',
    'please stop',
    'STOP PLEASE',
    'PLEASE CANCEL',
    'ok stop now',
    'Hi, unsubscribe please',

    'stop it',
    'please stop texting me',
    'Stop texting me anymore!',
    'Remove me',
    'take me off your list',
    'no me manden más',
    "Don't text me",
    'opt me out',
    'STOP STOP STOP',
    'STOP START',
    'start stop',
    'STOP\n-- \nSent from my iPhone',
    '\n Stop.\r\n\r\nOn Monday you wrote: hello',
    'stop\u2028Ann',
    ...STOPS,
  ])('%j opts out', (text) => expect(meaningOf(text)?.as).toBe('stop'));

  it.each([
    'stop by the store',
    'bus stop',
    'weekend',
    'friend',
    "don't stop",
    'please don’t stop',
    'nonstop',
    'Count me in! We have got to STOP this bill',
    'STOP this bill',
    'STOP 12345',
    'cancel my 3pm',
    'the end',
    'endless',
    'info please',
    'help me',
    'start now',
    'please start',
    'yes',
    'YES',
    'startup',
    'I cannot stop laughing\nstop',
    'helpful',
    'quite',
    'ends',
    'ok',
    'thank you',
    'please',
    '',
    ' ',
    '🛑',
    '👎',
    'Stpo',
    'ST0P',
    'constructor',
    '__proto__',
    'toString',
  ])('%j is no mandatory word', (text) => expect(meaningOf(text)).toBeNull());

  it('names an entry of its own lists and never the text around it', () => {
    expect(meaningOf('Stop, please! Thanks')).toEqual({ as: 'stop', word: 'stop' });
    expect(meaningOf('STOP\nAnn Lee, +1 415 555 0100')).toEqual({ as: 'stop', word: 'stop' });
    expect(meaningOf('Opt Out')).toEqual({ as: 'stop', word: 'optout' });
    expect(meaningOf('Remove me, please')).toEqual({ as: 'stop', word: 'remove me' });
  });

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        meaningOf(text);
      }),
    );
  });

  it('reads a text as long as a webhook can carry', () => {
    expect(meaningOf(`${' '.repeat(200_000)}stop`)?.as).toBe('stop');
    expect(meaningOf('please '.repeat(30_000) + 'x')).toBeNull();
    expect(meaningOf('a '.repeat(100_000) + 'bb')).toBeNull();
  });
});

describe("the carrier's mark", () => {
  it.each([
    ['STOP', 'stop'],
    [' start ', 'start'],
    ['Help', 'help'],
    ['', null],
    ['BLOCK', null],
    [undefined, null],
  ] as const)('%j is %j', (mark, word) => expect(wordOfMark(mark)).toBe(word));
});
