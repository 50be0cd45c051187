import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { grepDirectories } from './canaries.js';

const NEEDLE = 'Zofia-Canary';
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'muster-canaries-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('a search for personal values', () => {
  it('finds nothing where there is nothing', async () => {
    await writeFile(join(dir, 'data'), 'all quiet');
    expect(await grepDirectories([dir], [NEEDLE])).toEqual([]);
  });

  it('finds a value in a binary file deep below, write-ahead logs included', async () => {
    await mkdir(join(dir, 'a/b'), { recursive: true });
    const file = join(dir, 'a/b/db-wal');
    await writeFile(file, Buffer.concat([Buffer.alloc(1000, 0xff), Buffer.from(NEEDLE), Buffer.alloc(10)]));
    expect(await grepDirectories([dir], ['another', NEEDLE])).toEqual([
      { needle: NEEDLE, form: 'utf8', file, offset: 1000 },
    ]);
  });

  it.each([1, 5, 11])('finds a value of which %i bytes stand before the end of a chunk', async (before) => {
    const offset = 4 * 1024 * 1024 - before;
    await writeFile(join(dir, 'large'), Buffer.concat([Buffer.alloc(offset), Buffer.from(NEEDLE)]));
    expect(await grepDirectories([dir], [NEEDLE])).toMatchObject([{ offset }]);
  });

  it.each([0, 1, 2, 3])('finds a value in base64 that starts %i bytes into the text', async (before) => {
    await writeFile(
      join(dir, 'log'),
      Buffer.from(`${'x'.repeat(before)}${NEEDLE}, and more`).toString('base64'),
    );
    expect(await grepDirectories([dir], [NEEDLE])).toMatchObject([{ form: 'base64' }]);
  });

  it('finds UTF-16, hex and letters beyond ASCII', async () => {
    await writeFile(join(dir, 'wide'), Buffer.from(NEEDLE, 'utf16le'));
    await writeFile(join(dir, 'hex'), Buffer.from('מאיה כהן').toString('hex').toUpperCase());
    const forms = (await grepDirectories([dir], [NEEDLE, 'מאיה כהן'])).map(({ form }) => form);
    expect(forms.toSorted()).toEqual(['hex', 'utf16']);
  });

  it('refuses to search what is not there, what is empty, and for what is found by chance', async () => {
    await expect(grepDirectories([join(dir, 'missing')], [NEEDLE])).rejects.toThrow('ENOENT');
    await expect(grepDirectories([dir], [NEEDLE])).rejects.toThrow('nothing to search');
    await writeFile(join(dir, 'data'), 'x');
    await expect(grepDirectories([dir], ['abc'])).rejects.toThrow('four characters');
    await expect(grepDirectories([dir], [])).rejects.toThrow('name what');
  });
});
