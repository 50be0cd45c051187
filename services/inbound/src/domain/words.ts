/** What a message says when it is nothing but one of the mandatory words. */
export type MandatoryWord = 'stop' | 'start' | 'help';

/**
 * Words that nobody may remove or give another meaning. Opt-out: the seven of 47 CFR 64.1200(a)(10), Twilio's defaults
 * (STOPALL, and since 2025 REVOKE and OPTOUT) and the Canadian ARRET. A message that is exactly one of them acts.
 */
const WORDS: Readonly<Record<MandatoryWord, readonly string[]>> = {
  stop: ['stop', 'stopall', 'unsubscribe', 'cancel', 'end', 'quit', 'revoke', 'optout', 'arret'],
  start: ['start', 'unstop'],
  help: ['help', 'info', 'aide'],
};

/** Written in two words, and meant as one. */
const TWO_WORDS: Readonly<Record<string, string>> = { 'stop all': 'stopall', 'opt out': 'optout' };

const ENTITIES: Readonly<Record<string, string>> = {
  '&quot;': '"',
  '&apos;': "'",
  '&#39;': "'",
  '&lt;': '<',
  '&gt;': '>',
  '&nbsp;': ' ',
  '&amp;': '&',
};

/**
 * A text as words compare it: entities decoded, compatibility forms folded (full-width, mathematical and circled
 * letters), accents and invisible characters dropped, lower case without regard to the locale, and everything that is
 * neither letter nor digit taken as one space. Single letters that stand apart (S T O P) are joined.
 */
export function normaliseText(text: string): string {
  const decoded = text.replace(
    /&(?:quot|apos|#39|lt|gt|nbsp|amp);/gi,
    (entity) => ENTITIES[entity.toLowerCase()] ?? entity,
  );
  const folded = decoded
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .normalize('NFKC')
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]/g, ' ')
    .replace(/[\p{Cf}\p{Cc}]/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  return /^\S( \S)+$/u.test(folded) ? folded.replace(/ /g, '') : folded;
}

/** The mandatory word that a normalised message is, or null. */
export function mandatoryWord(normalised: string): MandatoryWord | null {
  const word = TWO_WORDS[normalised] ?? normalised;
  const kinds = Object.keys(WORDS) as MandatoryWord[];
  return kinds.find((kind) => WORDS[kind].includes(word)) ?? null;
}

/** What the carrier itself took the message for, such as Twilio's `OptOutType`; null where it says nothing. */
export function wordOfMark(mark: string | undefined): MandatoryWord | null {
  const word = mark?.trim().toLowerCase();
  return word === 'stop' || word === 'start' || word === 'help' ? word : null;
}
