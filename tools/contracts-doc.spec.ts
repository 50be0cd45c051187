import { readFileSync } from 'node:fs';
import { ALL_EVENTS } from '@muster/contracts/all-events';
import { ALL_SUBJECTS } from '@muster/contracts/all-subjects';
import { ERRORS } from '@muster/contracts/errors';
import { describe, expect, it } from 'vitest';
// @ts-expect-error the generator is a plain script without types
import { file, generate } from './contracts-doc.mjs';

const text = (generate as () => string)();

describe('docs/contracts.md', () => {
  it('is up to date; otherwise run `npm run docs`', () => {
    expect(readFileSync(file as string, 'utf8')).toBe(text);
  });

  it('is made the same every time', () => {
    expect((generate as () => string)()).toBe(text);
  });

  it('has every subject, event and error code once', () => {
    const headings = text.split('\n').filter((line) => line.startsWith('#### '));
    const expected = [
      ...ALL_SUBJECTS.map(({ subject }) => `#### \`${subject}\``),
      ...ALL_EVENTS.map(({ type }) => `#### ${type}`),
    ];
    expect(headings.toSorted()).toEqual(expected.toSorted());
    const codes = [...text.matchAll(/^\| `([a-z]+:[a-z_]+)` \|/gm)].map((match) => match[1]);
    expect(codes).toEqual(Object.keys(ERRORS));
  });

  it('marks every personal property', () => {
    const personal = ALL_EVENTS.reduce((sum, event) => sum + event.personal.length, 0);
    expect([...text.matchAll(/\*\*personal\*\*/g)].length - 1).toBe(personal);
  });

  it('refers only to headings that it has', () => {
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
      (match[1] as string)
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1]);
    expect(links.length).toBeGreaterThan(100);
    expect(links.filter((link) => !anchors.includes(link as string))).toEqual([]);
    expect(new Set(anchors).size).toBe(anchors.length);
  });
});
