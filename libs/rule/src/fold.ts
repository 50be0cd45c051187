/**
 * Signs above and below letters that writers leave out at will: combining accents, Hebrew points and Arabic vowel
 * signs. The vowel signs of Indic scripts and the voicing marks of kana are letters to their readers and stay.
 */
const ACCENTS = new RegExp(
  [
    String.raw`[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]`,
    String.raw`[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]`,
    String.raw`[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]`,
  ].join('|'),
  'gu',
);
const INVISIBLE = /\p{Cf}/gu;
const LONE_SURROGATE = /\p{Cs}/gu;
const BLANKS = /[\s\p{Z}\p{Cc}]+/gu;

/** Of these every form is the same, and the blank is the only one. */
const PLAIN = /^[ -~]*$/;
const PLAIN_BLANKS = / {2,}/g;

/**
 * The form in which texts are compared, stored beside the original: compatibility forms unified, accents dropped, lower
 * case without regard to a locale, runs of blanks and control characters made one space, ends trimmed. Idempotent.
 */
export function fold(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase().replace(PLAIN_BLANKS, ' ').trim();
  return text
    .replace(LONE_SURROGATE, '\ufffd')
    .normalize('NFKD')
    .toLowerCase()
    .normalize('NFKD')
    .replace(ACCENTS, '')
    .replace(INVISIBLE, '')
    .replace(BLANKS, ' ')
    .trim()
    .normalize('NFC');
}

/** Orders two texts by code point, as MongoDB orders the bytes of their UTF-8; `<` orders UTF-16 units instead. */
export function compareByCodePoint(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const one = left.charCodeAt(index);
    const other = right.charCodeAt(index);
    if (one === other) continue;
    const surrogates = Number(one >= 0xd800 && one < 0xe000) - Number(other >= 0xd800 && other < 0xe000);
    return surrogates === 0 ? one - other : surrogates;
  }
  return left.length - right.length;
}
