/** What a message says when it is nothing but one of the mandatory words. */
export type MandatoryWord = 'stop' | 'start' | 'help';

/** A mandatory word, and which entry of our own lists it was: never what the person wrote beside it. */
export interface Meaning {
  as: MandatoryWord;
  word: string;
}

/**
 * Words that nobody may remove or give another meaning. Opt-out: the seven of 47 CFR 64.1200(a)(10), Twilio's defaults
 * (STOPALL, and since 2025 REVOKE and OPTOUT) and the Canadian ARRET and UNSUB. A message that is exactly one of them
 * acts.
 */
const WORDS: Readonly<Record<MandatoryWord, readonly string[]>> = {
  stop: ['stop', 'stopall', 'unsubscribe', 'unsub', 'cancel', 'end', 'quit', 'revoke', 'optout', 'arret'],
  start: ['start', 'unstop'],
  help: ['help', 'info', 'aide'],
};

/** Written in two words, and meant as one. */
const TWO_WORDS: ReadonlyMap<string, string> = new Map([
  ['stop all', 'stopall'],
  ['opt out', 'optout'],
]);

/**
 * Whole messages that a reasonable person understands as an opt-out (47 CFR 64.1200(a)(10); CTIA Messaging Principles
 * 2023, 5.1.3). A false one costs one silent contact, a missed one texts a person who said stop.
 */
const OPT_OUT_PHRASES: ReadonlySet<string> = new Set([
  'stop it',
  'stop this',
  'stop texting',
  'stop texting me',
  'stop texting this number',
  'stop messaging me',
  'stop contacting me',
  'stop spamming me',
  'stop texts',
  'stop messages',
  'stop all texts',
  'stop all messages',
  'stop sending texts',
  'stop sending messages',
  'stop sending me texts',
  'stop sending me messages',
  'no more texts',
  'no more messages',
  'do not text me',
  'don t text me',
  'dont text me',
  'do not contact me',
  'don t contact me',
  'dont contact me',
  'remove me',
  'remove me from your list',
  'remove me from this list',
  'remove my number',
  'take me off',
  'take me off your list',
  'take me off this list',
  'opt me out',
  'i want to opt out',
  'unsubscribe me',
  'i want to unsubscribe',
  'no me manden mas',
  'no me manden mas mensajes',
]);

/** What people say around an opt-out without meaning anything else by it. */
const COURTESY =
  /(?<= )(?:please|pls|plz|kindly|thank you|thanks|thx|sorry|hi|hello|hey|ok|okay|now|anymore|any more|again)(?= )/g;

const ENTITIES: Readonly<Record<string, string>> = {
  '&quot;': '"',
  '&#34;': '"',
  '&apos;': "'",
  '&#39;': "'",
  '&#x27;': "'",
  '&lt;': '<',
  '&gt;': '>',
  '&nbsp;': ' ',
  '&amp;': '&',
};

/** The longest message that carriers join from its parts, in characters. */
const MESSAGE_MAX = 1_600;

const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/;

/**
 * A text as words compare it: entities decoded, compatibility forms folded (full-width, mathematical and circled
 * letters), accents and invisible characters dropped, lower case without regard to the locale, and everything that is
 * neither letter nor digit taken as one space. Single letters that stand apart (S T O P) are joined.
 */
export function normaliseText(text: string): string {
  const decoded = text.replace(
    /&(?:quot|apos|#34|#39|#x27|lt|gt|nbsp|amp);/gi,
    (entity) => ENTITIES[entity.toLowerCase()] ?? entity,
  );
  const folded = decoded
    .normalize('NFKD')
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]/g, ' ')
    // The two Hangul fillers are letters by their category, and nothing is seen of them.
    .replace(/[\p{M}\p{Cf}\p{Cc}\u115f\u1160]/gu, '')
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  return /^\S( \S)+$/u.test(folded) ? folded.replace(/ /g, '') : folded;
}

/** The mandatory word that a normalised message is, or null. */
export function mandatoryWord(normalised: string): Meaning | null {
  const word = TWO_WORDS.get(normalised) ?? normalised;
  const kinds = Object.keys(WORDS) as MandatoryWord[];
  const as = kinds.find((kind) => WORDS[kind].includes(word));
  return as === undefined ? null : { as, word };
}

/**
 * What a whole text means. START and HELP are exact (R16). An opt-out is also one that stands among courtesies, that is
 * said by a known phrase, that stands with other mandatory words (R19), or that is the first line above a signature.
 */
export function meaningOf(text: string): Meaning | null {
  const normalised = normaliseText(text);
  const exact = mandatoryWord(normalised);
  if (exact !== null || text.length > MESSAGE_MAX) return exact;
  return optOut(normalised) ?? optOut(firstLine(text));
}

function optOut(normalised: string): Meaning | null {
  const bare = normaliseText(` ${normalised} `.replace(COURTESY, ''));
  const exact = mandatoryWord(bare);
  if (exact?.as === 'stop') return exact;
  if (OPT_OUT_PHRASES.has(bare)) return { as: 'stop', word: bare };
  const words = bare.split(' ').map(mandatoryWord);
  return words.every((word) => word !== null) ? (words.find((word) => word?.as === 'stop') ?? null) : null;
}

/** The first line that says something, normalised. */
function firstLine(text: string): string {
  const lines = text.split(LINE_END).map(normaliseText);
  return lines.find((line) => line !== '') ?? '';
}

/** What the carrier itself took the message for, such as Twilio's `OptOutType`; null where it says nothing. */
export function wordOfMark(mark: string | undefined): MandatoryWord | null {
  const word = mark?.trim().toLowerCase();
  return word === 'stop' || word === 'start' || word === 'help' ? word : null;
}
