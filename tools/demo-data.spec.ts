import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePhone } from '@muster/phone/phone';
import { describe, expect, it } from 'vitest';
// @ts-expect-error the generator is a plain script without types
import { folder, generate, HEADER } from './demo-data.mjs';

const csv = readFileSync(join(folder as string, 'people.csv'), 'utf8');
const expected = JSON.parse(readFileSync(join(folder as string, 'expected.json'), 'utf8')) as {
  counts: Record<string, number>;
  byCountry: Record<string, number>;
  groups: Record<string, number>;
  withEmail: number;
  stop: { phone: string };
};

/** A reader of RFC 4180 that shares nothing with the one under test in the import service. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const cells = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|$)/gy;
  for (let match = cells.exec(text); match && match[0] !== ''; match = cells.exec(text)) {
    rows.at(-1)?.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '');
    if (match[3] === '\r\n') rows.push([]);
  }
  return rows.filter((row) => row.length > 0);
}

const [header, ...rows] = readCsv(csv.replace(/^\ufeff/, ''));
const people = rows.map(([firstName, lastName, mobile, email, city, plan, age, notes]) => {
  const parsed = parsePhone(mobile ?? '', 'US');
  return { firstName, lastName, mobile, email, city, plan, age, notes, parsed };
});
const seen = new Map<string, (typeof people)[number]>();
const outcomes = people.map((person) => {
  if (!person.parsed.ok) return 'rejected';
  if (seen.has(person.parsed.phone)) return 'duplicates';
  seen.set(person.parsed.phone, person);
  return 'new';
});
const distinct = [...seen.values()];
const ofOutcome = (outcome: string): number => outcomes.filter((one) => one === outcome).length;
const country = (person: (typeof people)[number]): string =>
  (person.parsed.ok ? person.parsed.country : undefined) ?? '?';

describe('the demo people', () => {
  it('come out the same when they are generated again', () => {
    const again = generate() as { csv: string; expected: string };
    expect(again.csv).toBe(csv);
    expect(JSON.parse(again.expected)).toEqual(expected);
  });

  it('make a file below one megabyte with ten thousand whole rows', () => {
    expect(Buffer.byteLength(csv)).toBeLessThan(1_000_000);
    expect(header).toEqual(HEADER);
    expect(rows).toHaveLength(10_000);
    expect(rows.filter((row) => row.length !== 8)).toEqual([]);
  });

  it('count as expected.json says, told by the phone library', () => {
    expect(expected.counts).toEqual({
      rows: 10_000,
      new: ofOutcome('new'),
      updated: 0,
      unchanged: 0,
      rejected: ofOutcome('rejected'),
      duplicates: ofOutcome('duplicates'),
    });
    expect(ofOutcome('duplicates')).toBe(350);
    expect(ofOutcome('rejected')).toBe(150);
  });

  it('fall into countries and groups as expected.json says', () => {
    const countries = [...new Set(distinct.map(country))];
    expect(
      Object.fromEntries(
        countries.map((name) => [name, distinct.filter((person) => country(person) === name).length]),
      ),
    ).toEqual(expected.byCountry);
    expect(expected.groups).toEqual({
      'plan in ("gold", "vip")': distinct.filter(({ plan }) => plan === 'gold' || plan === 'vip').length,
      'phone.country = "IL" and age >= 18': distinct.filter(
        (person) => country(person) === 'IL' && person.age !== '' && Number(person.age) >= 18,
      ).length,
    });
    expect(distinct.filter(({ email }) => email !== '')).toHaveLength(expected.withEmail);
    expect(country(seen.get(expected.stop.phone) as (typeof people)[number])).toBe('IL');
  });

  it('repeat a number only with the same data and in another spelling', () => {
    const repeats = people.filter((_, at) => outcomes[at] === 'duplicates');
    for (const { mobile, ...rest } of repeats) {
      const first = seen.get((rest.parsed as { phone: string }).phone);
      expect(first).toMatchObject(rest);
      expect(first?.mobile).not.toBe(mobile);
    }
  });

  it('share no e-mail address, and rejected rows have none that would identify them', () => {
    const addresses = distinct.flatMap(({ email }) => (email === '' ? [] : [email]));
    expect(new Set(addresses).size).toBe(addresses.length);
    expect(addresses.filter((address) => !/^[a-z.0-9]+@example\.(com|org|net)$/.test(address ?? ''))).toEqual(
      [],
    );
    expect(people.filter(({ email }, at) => outcomes[at] === 'rejected' && email !== '')).toEqual([]);
  });

  it('have what makes files hard: quotes, commas, line breaks, accents, Hebrew, hidden marks', () => {
    for (const trap of ['""call me Al""', '"Washington, D.C."', ';\n', 'Müller', 'כהן', '\u202a+972']) {
      expect(csv).toContain(trap);
    }
  });
});
