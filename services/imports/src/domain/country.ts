const LANGUAGES = ['en', 'he', 'de', 'fr', 'es', 'pt', 'it', 'nl', 'ru', 'ar', 'uk', 'pl', 'tr'];
const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

/** What people write and no table of names has. */
const OTHER_NAMES: readonly [string, string][] = [
  ['usa', 'US'],
  ['u.s.', 'US'],
  ['u.s.a.', 'US'],
  ['uk', 'GB'],
  ['u.k.', 'GB'],
  ['england', 'GB'],
  ['scotland', 'GB'],
  ['wales', 'GB'],
  ['great britain', 'GB'],
  ['holland', 'NL'],
  ['uae', 'AE'],
  ['korea', 'KR'],
];

let names: Map<string, string> | undefined;

const folded = (text: string): string => text.trim().toLowerCase().normalize('NFKC');

/** Codes of countries that are no more, such as DD, have the names of their successors. */
const isCurrent = (code: string): boolean => Intl.getCanonicalLocales(`und-${code}`)[0] === `und-${code}`;

/** Names of all countries in the languages above, from the runtime's own tables. */
function countryNames(): Map<string, string> {
  const found = new Map<string, string>();
  for (const language of LANGUAGES) {
    const display = new Intl.DisplayNames([language], { type: 'region', fallback: 'none' });
    for (const first of LETTERS) {
      for (const second of LETTERS) {
        const code = first + second;
        const name = isCurrent(code) ? display.of(code) : undefined;
        if (name !== undefined && !found.has(folded(name))) found.set(folded(name), code);
      }
    }
  }
  for (const [name, code] of OTHER_NAMES) found.set(name, code);
  return found;
}

/** ISO 3166-1 alpha-2 of a country as a file names it, by code or by name; undefined when it is neither. */
export function countryCode(text: string): string | undefined {
  names ??= countryNames();
  const known = names.get(folded(text));
  if (known !== undefined) return known;
  return /^[a-z]{2}$/i.test(text.trim()) ? text.trim().toUpperCase() : undefined;
}
