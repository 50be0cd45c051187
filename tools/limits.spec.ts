import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

const page = join(import.meta.dirname, '../docs/limits.md');
const statuses = readFileSync(join(import.meta.dirname, '../services/gateway/src/problem.ts'), 'utf8');

interface Row {
  name: string;
  file: string;
  limit: number;
}

/** The rows that name a constant: `| what | 1,000 | answer | \`NAME\` in [file](path) |`. */
function rows(): Row[] {
  const lines = readFileSync(page, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [, limit, name, path] =
      /^\|[^|]+\| ([\d,]+) +\|.*\| `(\w+)` in \[[^\]]+\]\(([^)]+)\) +\|$/.exec(line) ?? [];
    if (!limit || !name || !path) return [];
    return [{ name, file: join(dirname(page), path), limit: Number(limit.replaceAll(',', '')) }];
  });
}

/** The value of a constant that is a number or a product of numbers. */
function valueOf({ name, file }: Row): number {
  const [, value] = new RegExp(`const ${name} = ([\\d_ *]+);`).exec(readFileSync(file, 'utf8')) ?? [];
  return (value ?? 'NaN')
    .split('*')
    .map((factor) => Number(factor.replaceAll('_', '')))
    .reduce((product, factor) => product * factor, 1);
}

describe('the page of limits', () => {
  it.each(rows())('tells $name as it is', (row) => {
    expect(valueOf(row)).toBe(row.limit);
  });

  it('names every answer with its status', () => {
    const named = [...readFileSync(page, 'utf8').matchAll(/(\d{3}) `(\w+:\w+)`/g)];
    expect(named.length).toBeGreaterThan(15);
    for (const [, status, code] of named) expect(statuses).toContain(`'${code}': ${status},`);
  });

  it('has a row for every kind of limit', () => {
    expect(rows().length).toBeGreaterThan(20);
  });
});
