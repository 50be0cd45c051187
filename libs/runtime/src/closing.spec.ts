import { describe, expect, it } from 'vitest';
import { Closing } from './closing.js';
import { createLog } from './log.js';
import { settled } from './settled.js';

const silent = createLog('contacts', 'silent');

describe('closing', () => {
  it('goes in the order of adding, past what fails and what never settles', async () => {
    const closing = new Closing(silent);
    const closed: string[] = [];
    closing.add('bus', async () => void closed.push('bus'));
    closing.add('broken', () => Promise.reject(new Error('broken')));
    closing.add('stuck', () => new Promise(() => undefined));
    closing.add('mongo', async () => void closed.push('mongo'));
    await closing.close(20);
    expect(closed).toEqual(['bus', 'mongo']);
  });

  it('closes nothing twice', async () => {
    const closing = new Closing(silent);
    let times = 0;
    closing.add('bus', async () => void (times += 1));
    await Promise.all([closing.close(), closing.close()]);
    expect(times).toBe(1);
  });
});

describe('waiting for work', () => {
  const never = new AbortController().signal;

  it('is true when it was done and false when the signal came first', async () => {
    expect(await settled(Promise.resolve('x'), never)).toBe(true);
    expect(await settled(new Promise(() => undefined), AbortSignal.timeout(5))).toBe(false);
    expect(await settled(Promise.reject(new Error('late')), AbortSignal.abort())).toBe(false);
  });

  it('throws what went wrong', async () => {
    await expect(settled(Promise.reject(new Error('wrong')), never)).rejects.toThrow('wrong');
  });
});
