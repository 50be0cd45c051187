import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import { formatApiKey, isSameSecret, parseApiKey, secretHash } from './api-key.js';

const parts = { keyId: idNumber(1), secret: 'a_b-c'.repeat(8) };

describe('API keys', () => {
  it('reads what it writes, underscores in the secret included', () => {
    expect(parseApiKey(formatApiKey(parts))).toEqual(parts);
  });
  it.each(['', 'mk_', `mk_${idNumber(1)}`, `mk_${idNumber(1)}_short`, `xx_${idNumber(1)}_${parts.secret}`])(
    'does not take %o for one',
    (text) => {
      expect(parseApiKey(text)).toBeNull();
    },
  );
  it('keeps a hash that is not the secret', () => {
    expect(secretHash(parts.secret)).toMatch(/^[0-9a-f]{64}$/);
    expect(secretHash(parts.secret)).not.toContain(parts.secret);
  });
  it('compares secrets of any length', () => {
    expect(isSameSecret('one', 'one')).toBe(true);
    expect(isSameSecret('one', 'another')).toBe(false);
  });
});
