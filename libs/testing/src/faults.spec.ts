import { describe, expect, it } from 'vitest';
import { InjectedFault, namedFaults } from './faults.js';

describe('named faults', () => {
  it('do nothing until they are armed', () => {
    const faults = namedFaults('lost-reply', 'disk-full');
    expect(faults.fires('lost-reply')).toBe(false);
    expect(faults.fired).toEqual({ 'lost-reply': 0, 'disk-full': 0 });
  });
  it('fire as often as asked, after as many passes as asked, and count', () => {
    const faults = namedFaults('lost-reply');
    faults.arm('lost-reply', { times: 2, skip: 1 });
    expect([1, 2, 3, 4].map(() => faults.fires('lost-reply'))).toEqual([false, true, true, false]);
    expect(faults.fired['lost-reply']).toBe(2);
  });
  it('throw what can be told from a real error', () => {
    const faults = namedFaults('disk-full');
    faults.throwIf('disk-full');
    faults.arm('disk-full');
    expect(() => faults.throwIf('disk-full')).toThrow(InjectedFault);
  });
  it('can be disarmed', () => {
    const faults = namedFaults('disk-full');
    faults.arm('disk-full');
    faults.disarm('disk-full');
    expect(faults.fires('disk-full')).toBe(false);
  });
  it('fail the test that did not make them fire', () => {
    const faults = namedFaults('disk-full', 'lost-reply');
    faults.arm('disk-full');
    faults.arm('lost-reply');
    faults.fires('disk-full');
    faults.proveFired('disk-full');
    expect(() => faults.proveFired()).toThrow('never fired: lost-reply');
  });
  it('refuse a name that was not given', () => {
    const faults = namedFaults('disk-full');
    expect(() => faults.arm('disc-full' as 'disk-full')).toThrow('disc-full');
  });
});
