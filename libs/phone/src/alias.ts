import type { E164 } from './e164.js';

/**
 * One way in which a numbering plan wrote, or a carrier still writes, the same telephone. `read` gives what all
 * spellings of a family share, or undefined when the number is not written this way; `write` is its inverse.
 */
interface Form {
  read(phone: string): string | undefined;
  write(shared: string): string;
}

function form(pattern: RegExp, prefix: string): Form {
  return {
    read: (phone) => pattern.exec(phone)?.[1],
    write: (shared) => prefix + shared,
  };
}

/** Mexico dropped the mobile `1` behind +52 in August 2019; carriers and WhatsApp still send it. */
const mexico: Form[] = [form(/^\+52([2-9]\d{9})$/, '+52'), form(/^\+521([2-9]\d{9})$/, '+521')];

/** Argentina writes a mobile with `9` behind +54 from abroad; carriers often leave it out. */
const argentina: Form[] = [form(/^\+54([1-3]\d{9})$/, '+54'), form(/^\+549([1-3]\d{9})$/, '+549')];

/** Brazil put a `9` before every mobile number between 2012 and 2016 (Anatel resolution 553). */
const brazil: Form[] = [
  {
    read: (phone) => {
      const match = /^\+55([1-9][1-9])9([6-9]\d{7})$/.exec(phone);
      return match ? `${match[1]}${match[2]}` : undefined;
    },
    write: (shared) => `+55${shared.slice(0, 2)}9${shared.slice(2)}`,
  },
  form(/^\+55([1-9][1-9][6-9]\d{7})$/, '+55'),
];

/** Côte d'Ivoire put the operator's two digits in front in January 2021; the second old digit named the operator. */
function ivoryCoast(operator: string, secondDigit: string): Form[] {
  return [
    form(new RegExp(`^\\+225${operator}([04-9]${secondDigit}\\d{6})$`), `+225${operator}`),
    form(new RegExp(`^\\+225([04-9]${secondDigit}\\d{6})$`), '+225'),
  ];
}

/** Benin put `01` in front of every number in November 2024. */
const benin: Form[] = [form(/^\+22901([2-9]\d{7})$/, '+22901'), form(/^\+229([2-9]\d{7})$/, '+229')];

/** Viet Nam shortened its eleven-digit mobile numbers in 2018: new prefix, old prefix. */
const vietnam: Form[][] = (
  [
    ['32', '162'],
    ['33', '163'],
    ['34', '164'],
    ['35', '165'],
    ['36', '166'],
    ['37', '167'],
    ['38', '168'],
    ['39', '169'],
    ['70', '120'],
    ['79', '121'],
    ['77', '122'],
    ['76', '126'],
    ['78', '128'],
    ['83', '123'],
    ['84', '124'],
    ['85', '125'],
    ['81', '127'],
    ['82', '129'],
    ['56', '186'],
    ['58', '188'],
    ['59', '199'],
  ] as const
).map(([now, before]) => [
  form(new RegExp(`^\\+84${now}(\\d{7})$`), `+84${now}`),
  form(new RegExp(`^\\+84${before}(\\d{7})$`), `+84${before}`),
]);

/** No number is read by two forms, which is what makes the relation symmetric and closed. */
const FAMILIES: readonly Form[][] = [
  mexico,
  argentina,
  brazil,
  ivoryCoast('01', '[0-3]'),
  ivoryCoast('05', '[4-6]'),
  ivoryCoast('07', '[7-9]'),
  benin,
  ...vietnam,
];

/** Told apart by the first digits, because most numbers belong to no family and there are many forms to try. */
const CALLING_CODES = /^\+(?:5[245]|22[59]|84)/;

/**
 * Every spelling in E.164 under which carriers or older numbering plans know the telephone: the number itself
 * first, then the others. Symmetric and closed: each member of the answer has the same set.
 * A suppression is looked up under all of them; nothing is ever merged because of them.
 * Sources: the national plans named above; libphonenumber's changes of metadata.
 */
export function aliasForms(phone: E164): E164[] {
  if (!CALLING_CODES.test(phone)) return [phone];
  for (const family of FAMILIES) {
    for (const own of family) {
      const shared = own.read(phone);
      if (shared === undefined) continue;
      const others = family.filter((each) => each !== own).map((each) => each.write(shared) as E164);
      return [phone, ...others];
    }
  }
  return [phone];
}
