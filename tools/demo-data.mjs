// Writes deploy/local/demo/people.csv, ten thousand people who do not exist, and expected.json, what importing them
// must come to. The same bytes on every machine: all chance comes from one seed. Names are common names put together
// at random, e-mail addresses lie in the domains reserved by RFC 2606, and United States numbers in the 555-01xx
// range that is kept for fiction; other countries have no such range that counts as valid.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SEED = 20_260_115;
const NEW = 9_500;
const DUPLICATES = 350;
const REJECTED = 150;

export const HEADER = ['First name', 'Last name', 'Mobile', 'E-mail', 'City', 'Plan', 'Age', 'Notes'];
export const folder = resolve(import.meta.dirname, '../deploy/local/demo');

/** Mulberry32 behind three questions: a number below n, one of a list, and whether a chance in a hundred holds. */
function chance(seed) {
  let state = seed >>> 0;
  const draw = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(draw() * n);
  return { below, pick: (list) => list[below(list.length)], percent: (n) => below(100) < n };
}

const words = (text) => text.split(/\s+/);
const AREA_CODES = words(
  `201 202 203 206 207 208 212 213 214 215 216 217 218 240 267 303 304 305 310 312 313 314 315 316 317 401 402 404 405
  406 407 408 409 410 412 413 414 415 501 502 503 504 505 507 508 509 510 512 513 515 516 517 518 601 602 603 605 606
  607 608 609 612 614 615 616 617 618 619 646 701 702 703 704 706 707 708 713 714 716 717 718 719 773 786 801 802 803
  804 805 806 808 812 813 814 815 816 817 818 832 901 903 904 906 907 908 909 910 912 913 914 915 916 917 918 919`,
);

/** National digits of a new number, and how people of the country write them; `#` is a digit of the rest. */
const COUNTRIES = {
  US: {
    share: 34,
    code: '1',
    number: (r) => `${r.pick(AREA_CODES)}55501${digits(r, 2)}`,
    local: [
      '(###) ###-####',
      '###-###-####',
      '###.###.####',
      '##########',
      '1-###-###-####',
      '1 (###) ###-####',
    ],
    abroad: ['+1 ### ### ####', '+1##########', '+1 (###) ###-####', '+1-###-###-####'],
    first: words(
      'James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth Keisha Darnell Mei Raj Sofia',
    ),
    last: words(
      "Smith Johnson Williams Brown Jones Garcia Miller Davis O'Brien Nguyen Lee Washington Patel Kim Lopez",
    ),
    cities: [
      'New York',
      'Los Angeles',
      'Chicago',
      'Houston',
      'Miami',
      'Seattle',
      'Washington, D.C.',
      'Boston',
    ],
  },
  GB: {
    share: 12,
    code: '44',
    number: (r) => `7400${digits(r, 6)}`,
    local: [],
    abroad: ['+44 #### ######', '+44##########', '0044##########', '+44 (0)#### ######', '+44-####-######'],
    first: words('Oliver Amelia George Isla Harry Ava Noah Freya Zoë Siân Mohammed Priya Callum Niamh Rhys'),
    last: words(
      "Taylor Davies Evans Thomas Roberts Walker Wright Robinson Khan Hughes O'Connor Singh MacLeod Campbell",
    ),
    cities: ['London', 'Manchester', 'Bristol', 'Glasgow', 'Cardiff', 'Leeds', 'Stoke-on-Trent'],
  },
  IL: {
    share: 14,
    code: '972',
    number: (r) => `5${r.pick(['0', '2', '4', '8'])}555${digits(r, 4)}`,
    local: [],
    abroad: [
      '+972 ##-###-####',
      '+972#########',
      '+972-##-#######',
      '00972#########',
      '\u202a+972 ##-###-####\u202c',
    ],
    first: words('נועה דניאל מאיה יוסף תמר איתן שירה אורי Noa Daniel Maya Yosef Tamar Eitan Shira Omar'),
    last: words('כהן לוי מזרחי פרץ ביטון אברהם חדד Cohen Levi Mizrahi Peretz Biton Avraham Haddad Friedman'),
    cities: ['Haifa', 'Tel Aviv', 'Jerusalem', 'חיפה', 'תל אביב', 'Be’er Sheva', 'Netanya'],
  },
  DE: {
    share: 9,
    code: '49',
    number: (r) => `1511${digits(r, 7)}`,
    local: [],
    abroad: ['+49 #### #######', '+49###########', '+49 (0)#### #######', '+49-####-#######'],
    first: words('Lukas Anna Jörg Björn Käthe Günter Mia Finn Emilia Jürgen Änne Leon Ayşe Hannah'),
    last: words('Müller Schmidt Schneider Fischer Weiß Köhler Schäfer Böhm Wagner Groß Yılmaz Krüger'),
    cities: ['Berlin', 'München', 'Köln', 'Düsseldorf', 'Hamburg', 'Frankfurt (Oder)'],
  },
  FR: {
    share: 9,
    code: '33',
    number: (r) => `6120${digits(r, 5)}`,
    local: [],
    abroad: ['+33 # ## ## ## ##', '+33#########', '+33 (0)# ## ## ## ##', '+33.#.##.##.##.##'],
    first: words('Léa Éric Zoé Jérôme Chloé Hélène François Inès Théo Maëlys Anaïs Gaël Loïc Amélie'),
    last: words("Martin Lefèvre Dubois Moreau Lévêque D'Angelo Garçon Noël Bérenger Château Petit Roux"),
    cities: ['Paris', 'Lyon', 'Orléans', 'Nîmes', 'Saint-Étienne', 'Marseille'],
  },
  BR: {
    share: 9,
    code: '55',
    number: (r) => `${r.pick(['11', '21', '31', '51', '71', '81'])}9${8 + r.below(2)}${digits(r, 7)}`,
    local: [],
    abroad: ['+55 ## #####-####', '+55 (##) #####-####', '+55###########'],
    first: words('João Ana Luís Conceição Júlia Antônio Mateus Letícia Thaís Caio Inês Otávio Bruna'),
    last: words('Silva Souza Conceição Araújo Gonçalves Magalhães Sá Ribeiro Pereira Assunção Lima'),
    cities: ['São Paulo', 'Rio de Janeiro', 'Belo Horizonte', 'Maceió', 'Florianópolis'],
  },
  MX: {
    share: 7,
    code: '52',
    number: (r) => `${r.pick(['55', '56'])}5${digits(r, 7)}`,
    local: [],
    abroad: ['+52 ## #### ####', '+52##########', '+52-##-####-####'],
    first: words('José María Sofía Ángel Andrés Lucía Ximena Iñaki Jesús Belén Rocío Óscar'),
    last: words('Hernández García Martínez López Núñez Peña Muñoz Ibáñez Ramírez Vázquez'),
    cities: ['Ciudad de México', 'Mérida', 'León', 'Cancún', 'Querétaro'],
  },
  ES: {
    share: 6,
    code: '34',
    number: (r) => `6${r.pick(['00', '55'])}${digits(r, 6)}`,
    local: [],
    abroad: ['+34 ### ### ###', '+34#########', '0034#########', '+34 ### ## ## ##'],
    first: words('Íñigo Begoña Álvaro Nerea Sergio Aitana Núria Martí Xoán Carmen'),
    last: words('Fernández Sánchez Gómez Ruiz Etxeberria Puig Castaño Ortúzar Benítez'),
    cities: ['Madrid', 'Málaga', 'A Coruña', 'Cádiz', 'Donostia / San Sebastián'],
  },
};

const NOTES = [
  'Met at the fair, likes mornings',
  'Said "call me Al"',
  'Prefers texts in the evening;\nnot on Fridays',
  'Moved: new flat, 2nd floor',
  'עדיף בעברית',
  '3" screen, red',
  '=SUM(A1:A2) typed by mistake',
  'Café ☕ regular',
];
const GARBAGE = [
  'call me',
  'n/a',
  'unknown',
  '???',
  'no phone',
  '—',
  'see notes',
  '+',
  'tel.',
  '000-000-0000',
];
const TOO_SHORT = ['12345', '555-01', '+1 212', '+44 74', '+972-5', '911', '+49 15'];
const TOO_LONG = ['+1 212 555 0123 4567', '+44 7400 123456 789 12', '+972 54 555 1234 5678 99'];

function digits(r, count) {
  return Array.from({ length: count }, () => r.below(10)).join('');
}

/** Fills the places of a format with the national digits; both must be of the same length. */
function written(format, national) {
  let at = 0;
  const text = format.replace(/#/g, () => national[at++]);
  if (at !== national.length) throw new Error(`${format} does not fit ${national}`);
  return text;
}

const ascii = (text) =>
  text
    .normalize('NFD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^A-Za-z]/g, '')
    .toLowerCase();

function pickCountry(r) {
  let left = r.below(100);
  for (const [name, country] of Object.entries(COUNTRIES)) {
    left -= country.share;
    if (left < 0) return name;
  }
  return 'US';
}

/** One person with a number nobody else has; `serial` keeps e-mail addresses apart. */
function person(r, serial, taken) {
  const country = pickCountry(r);
  const { code, number, local, abroad, first, last, cities } = COUNTRIES[country];
  let national = number(r);
  while (taken.has(`+${code}${national}`)) national = number(r);
  taken.add(`+${code}${national}`);
  const [firstName, lastName] = [r.pick(first), r.pick(last)];
  const format = r.pick([...local, ...abroad]);
  return {
    country,
    phone: `+${code}${national}`,
    format,
    firstName,
    lastName: r.percent(4) ? '' : lastName,
    mobile: written(format, national),
    email: r.percent(55)
      ? `${ascii(firstName) || 'person'}.${ascii(lastName) || 'x'}.${serial}@example.${r.pick(['com', 'org', 'net'])}`
      : '',
    city: r.percent(92) ? r.pick(cities) : '',
    plan: r.percent(95) ? r.pick(words('free free free free free gold gold gold vip')) : '',
    age: r.percent(93) ? 13 + r.below(70) : '',
    notes: r.percent(5) ? r.pick(NOTES) : '',
  };
}

/** The same person once more, with the number in another of the ways in which it is written. */
function again(r, original) {
  const { code, local, abroad } = COUNTRIES[original.country];
  const others = [...local, ...abroad].filter((format) => format !== original.format);
  const format = r.pick(others);
  return { ...original, format, mobile: written(format, original.phone.slice(1 + code.length)) };
}

/** A row that must be rejected: nothing in it identifies anyone. */
function bad(r, kind) {
  const { first, last, cities } = COUNTRIES[pickCountry(r)];
  const mobile = { missing: '', garbage: r.pick(GARBAGE), short: r.pick(TOO_SHORT), long: r.pick(TOO_LONG) }[
    kind
  ];
  const age = 13 + r.below(70);
  return {
    firstName: r.pick(first),
    lastName: r.pick(last),
    mobile,
    email: '',
    city: r.pick(cities),
    plan: 'free',
    age,
    notes: '',
  };
}

/** One cell as RFC 4180 wants it. */
function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function line({ firstName, lastName, mobile, email, city, plan, age, notes }) {
  return [firstName, lastName, mobile, email, city, plan, age, notes].map(cell).join(',');
}

/** Fisher and Yates over the rows, but a duplicate never comes before the row it repeats. */
function shuffled(r, people, badRows) {
  const rows = [...people, ...badRows];
  for (let at = rows.length - 1; at > 0; at -= 1) {
    const other = r.below(at + 1);
    [rows[at], rows[other]] = [rows[other], rows[at]];
  }
  return rows;
}

function insertAfter(r, rows, originals) {
  for (const original of originals) {
    const at = rows.indexOf(original);
    rows.splice(at + 1 + r.below(rows.length - at), 0, again(r, original));
  }
}

function count(list, key) {
  const counts = {};
  for (const item of list) counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  return counts;
}

/** The file's text and what it must come to when it is imported with the default country US. */
export function generate() {
  const r = chance(SEED);
  const taken = new Set();
  const people = Array.from({ length: NEW }, (_, serial) => person(r, serial + 1, taken));
  const kinds = ['missing', 'garbage', 'short', 'long'];
  const badKinds = Array.from({ length: REJECTED }, (_, at) => kinds[at % kinds.length]);
  const rows = shuffled(
    r,
    people,
    badKinds.map((kind) => bad(r, kind)),
  );
  insertAfter(r, rows, people.slice(0, DUPLICATES));
  const israeliAdults = people.filter(({ country, age }) => country === 'IL' && age !== '' && age >= 18);
  const expected = {
    file: 'people.csv',
    defaultCountry: 'US',
    counts: {
      rows: rows.length,
      new: NEW,
      updated: 0,
      unchanged: 0,
      rejected: REJECTED,
      duplicates: DUPLICATES,
    },
    rejectedBecause: count(badKinds, (kind) => kind),
    byCountry: count(people, ({ country }) => country),
    groups: {
      'plan in ("gold", "vip")': people.filter(({ plan }) => plan === 'gold' || plan === 'vip').length,
      'phone.country = "IL" and age >= 18': israeliAdults.length,
    },
    withEmail: people.filter(({ email }) => email !== '').length,
    stop: { phone: israeliAdults[0].phone },
  };
  return {
    csv: `\ufeff${[HEADER.map(cell).join(','), ...rows.map(line)].join('\r\n')}\r\n`,
    expected: `${JSON.stringify(expected, null, 2)}\n`,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { csv, expected } = generate();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'people.csv'), csv);
  writeFileSync(join(folder, 'expected.json'), expected);
  console.log(`${join(folder, 'people.csv')}: ${Buffer.byteLength(csv)} bytes`);
}
