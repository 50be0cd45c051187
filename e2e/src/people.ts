/** French mobile numbers from +33 6 20 00 00 00 on, each handed out once. */
let given = 0;

export const nextPhone = (): string => `+336${20_000_000 + (given += 1)}`;

export const nextPhones = (count: number): string[] => Array.from({ length: count }, nextPhone);

/** The same French number in other spellings: national, with 00, with spaces and a trunk zero in brackets. */
export function spellings(phone: string): [string, string, string] {
  const national = phone.slice('+33'.length);
  const pairs = national.slice(1).replace(/(..)(?=.)/g, '$1 ');
  return [`0${national}`, `0033${national}`, `+33 (0)${national[0]} ${pairs}`];
}

/** A file of people with these numbers: `First name,Phone`. */
export const fileOf = (phones: readonly string[]): string =>
  ['First name,Phone', ...phones.map((phone, index) => `Person ${index},${phone}`), ''].join('\n');

export const FILE_COLUMNS = ['firstName', 'phone'] as const;
