import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ALL_SUBJECTS } from './all-subjects.js';
import { SERVICES } from './names.js';

const subjects = ALL_SUBJECTS.map((subject) => [subject.subject, subject] as const);

describe('subjects', () => {
  it('are unique', () => {
    const names = subjects.map(([name]) => name);
    expect([...new Set(names)]).toEqual(names);
    expect(names.length).toBeGreaterThan(40);
  });

  it.each(subjects)('%s: is <service>.<cmd|qry>.<kebab> of a service that exists', (name, subject) => {
    const [service, kind, kebab, ...more] = name.split('.');
    expect(SERVICES).toContain(service);
    expect({ service, kind, more }).toEqual({ service: subject.service, kind: subject.kind, more: [] });
    expect(kebab).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });

  it.each(subjects)('%s: says in a sentence what it does, and how long to wait', (_name, subject) => {
    expect(subject.summary).toMatch(/^[A-Z].*[.?]$/);
    expect(subject.timeoutMs).toBeGreaterThanOrEqual(1_000);
    expect(subject.timeoutMs).toBeLessThanOrEqual(60_000);
  });

  it.each(subjects)(
    '%s: takes and answers objects, so that more properties can be added',
    (_name, subject) => {
      for (const [schema, io] of [
        [subject.input, 'input'],
        [subject.output, 'output'],
      ] as const) {
        expect(z.toJSONSchema(schema, { io, unrepresentable: 'any' })).toMatchObject({ type: 'object' });
      }
    },
  );

  it.each(subjects.filter(([, subject]) => subject.kind === 'cmd'))(
    '%s: answers the position of what it wrote',
    (_name, subject) => {
      const { required } = z.toJSONSchema(subject.output, { io: 'output', unrepresentable: 'any' });
      expect(required).toContain('position');
    },
  );
});
