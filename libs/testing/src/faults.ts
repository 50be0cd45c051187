/** Faults of one test, by name. A fault does nothing until it is armed, and counts how often it fired. */
export interface Faults<N extends string> {
  /** Lets the fault fire `times` times (once unless told otherwise), after `skip` harmless passes. */
  arm(name: N, options?: { times?: number; skip?: number }): void;
  disarm(name: N): void;
  /** Asked at the place of the fault; counts when it answers true. */
  fires(name: N): boolean;
  /** Throws at the place of the fault when it fires. */
  throwIf(name: N): void;
  /** How often each fault fired. */
  readonly fired: Readonly<Record<N, number>>;
  /** Throws unless each of the names (all of them when none is given) fired: a fault test must prove its fault. */
  proveFired(...names: N[]): void;
}

/** The error of a fault that was armed on purpose. */
export class InjectedFault extends Error {
  override readonly name = 'InjectedFault';

  constructor(readonly fault: string) {
    super(`injected fault: ${fault}`);
  }
}

interface Trigger {
  skip: number;
  times: number;
}

/** `const faults = namedFaults('lost-reply', 'disk-full')`; naming them first lets the compiler find misspellings. */
export function namedFaults<const N extends string>(...names: N[]): Faults<N> {
  const armed = new Map<N, Trigger>();
  const fired = Object.fromEntries(names.map((name) => [name, 0])) as Record<N, number>;
  const known = (name: N): N => {
    if (!Object.hasOwn(fired, name)) throw new RangeError(`there is no fault named ${name}`);
    return name;
  };
  const fires = (name: N): boolean => {
    const trigger = armed.get(known(name));
    if (!trigger) return false;
    if (trigger.skip > 0) {
      trigger.skip -= 1;
      return false;
    }
    if (trigger.times <= 1) armed.delete(name);
    trigger.times -= 1;
    fired[name] += 1;
    return true;
  };
  return {
    arm: (name, { times = 1, skip = 0 } = {}) => void armed.set(known(name), { times, skip }),
    disarm: (name) => void armed.delete(known(name)),
    fires,
    throwIf: (name) => {
      if (fires(name)) throw new InjectedFault(name);
    },
    fired,
    proveFired: (...wanted) => {
      const silent = (wanted.length > 0 ? wanted.map(known) : names).filter((name) => fired[name] === 0);
      if (silent.length > 0) throw new Error(`faults that never fired: ${silent.join(', ')}`);
    },
  };
}
