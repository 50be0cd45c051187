/** What a written number looks like before any numbering plan is consulted. */
export type Spelling =
  | { kind: 'digits'; plus: boolean; digits: string }
  | { kind: 'empty' | 'extension' | 'alphanumeric' | 'not_a_number' | 'too_long' };

/** Longest text that is looked at, in UTF-16 units; the same limit as in libphonenumber. */
export const MAX_PHONE_INPUT = 250;

/** GSM 03.40 gives an alphanumeric sender at most eleven characters. */
const MAX_ALPHANUMERIC_SENDER = 11;

/** Longest digit string that can hold a number: fifteen of E.164 behind a prefix such as `00` or `011`. */
const MAX_DIGITS = 20;

const INVISIBLE = /[\p{Cf}\u034f]/gu;
const SPACE = /[\p{Zs}\t\r\n\v\f]/gu;
const FULL_WIDTH = /[\uff01-\uff5e]/g;
const ANY_DIGIT = /\p{Nd}/gu;
const SUPERSCRIPT_PLUS = /[\ufe62\u207a]/g;

/** What is normalised already, as in every event, is read without a closer look. */
const E164_DIGITS = /^\+\d{7,15}$/;

/** Brackets, dots, slashes and every dash that people put between digits. */
const PUNCTUATION = /^[\d\s()[\]./~\p{Pd}\u2212\u223c\u2043]*$/u;

/** `;ext=12`, `x12`, `ext. 12`, `#12`, pauses, and the words of other languages; libphonenumber knows the same. */
const EXTENSION =
  /\d[\s\d()]*\s*[-.]?\s*(?:;\s*(?:ext|isub|postd)\s*=|[,;pw]+|(?:e?xt(?:ensi[oó]n)?|anexo|доб(?:авочный)?|int(?:erno)?|poste|x|#)[.:]?)\s*\d{1,15}#?$/iu;

/** A spreadsheet that took a number for a quantity writes `447911123456.0`. */
const SPREADSHEET_FRACTION = /^(\+?\d{7,})\.0$/;

/** Every decimal digit block of Unicode has ten consecutive code points that start at its zero. */
function asciiDigit(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  if (code < 0x80) return digit;
  let zero = code;
  while (code - zero < 9 && /^\p{Nd}$/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return mathematicalDigit(code) ?? String(code - zero);
}

/** Neighbouring blocks (mathematical digits start at U+1D7CE, five tens in a row) cannot be found by walking back. */
function mathematicalDigit(code: number): string | undefined {
  if (code >= 0x1d7ce && code <= 0x1d7ff) return String((code - 0x1d7ce) % 10);
  return undefined;
}

/** Replaces full-width forms, every script's digits and every kind of space, and drops what cannot be seen. */
export function plainCharacters(text: string): string {
  return text
    .replace(INVISIBLE, '')
    .replace(SPACE, ' ')
    .replace(FULL_WIDTH, (character) => String.fromCharCode(character.charCodeAt(0) - 0xfee0))
    .replace(SUPERSCRIPT_PLUS, '+')
    .replace(ANY_DIGIT, asciiDigit)
    .trim();
}

/** Reads what a person or a file wrote into a plus sign and digits, or says why it is no number. Never throws. */
export function readSpelling(input: string): Spelling {
  if (E164_DIGITS.test(input)) return { kind: 'digits', plus: true, digits: input.slice(1) };
  if (input.length > MAX_PHONE_INPUT) return { kind: 'too_long' };
  const text = plainCharacters(input).replace(/^tel:\s*/i, '');
  if (text === '') return { kind: 'empty' };
  if (EXTENSION.test(text)) return { kind: 'extension' };
  if (/\p{L}/u.test(text)) {
    return { kind: text.length <= MAX_ALPHANUMERIC_SENDER ? 'alphanumeric' : 'not_a_number' };
  }
  const match = /^([\s([]*\+)?(.*)$/s.exec(text.replace(SPREADSHEET_FRACTION, '$1'));
  const rest = match?.[2] ?? '';
  const digits = rest.replace(/\D/g, '');
  if (digits === '' || !PUNCTUATION.test(rest)) return { kind: 'not_a_number' };
  if (digits.length > MAX_DIGITS) return { kind: 'too_long' };
  return { kind: 'digits', plus: match?.[1] !== undefined, digits };
}
