import { uuid5, uuid7 } from '@muster/contracts/ids';
import { describe, expect, it } from 'vitest';
import { mayBeOlder, withDone } from './done-commands.js';
import { COMMANDS_KEPT, type Head } from './heads.js';

type Done = Pick<Head<unknown>, 'commands' | 'older' | 'revision'>;

const born: Done = { commands: [], revision: -1 };

/** The head after these commands, one event each. */
function after(head: Done, commands: readonly string[]): Done {
  return commands.reduce((before, command) => {
    const revision = before.revision + 1;
    const done = { command, types: ['E'], revision, position: revision };
    return { ...before, ...withDone(before, done), revision };
  }, head);
}

const ids = (count: number): string[] => Array.from({ length: count }, () => uuid7());
const isKnown = (head: Done, command: string): boolean =>
  head.commands.some((done) => done.command === command) || mayBeOlder(head, command);

describe('the commands that a head knows', () => {
  it('miss none, however many there were', () => {
    const all = ids(1_500);
    for (const count of [1, 15, 16, 17, 18, 40, 1_039, 1_041, 1_500]) {
      const head = after(born, all.slice(0, count));
      expect(head.commands).toHaveLength(Math.min(count, COMMANDS_KEPT));
      const missed = all.slice(0, count).filter((command) => !isKnown(head, command));
      expect(missed).toEqual([]);
    }
  });

  it('leave most new ones to be done without a look at the stream', () => {
    const head = after(born, ids(100));
    const fresh = [...ids(1_000), ...ids(1_000).map((id) => uuid5(id, 'follows'))];
    expect(fresh.filter((command) => mayBeOlder(head, command)).length).toBeLessThan(50);
  });

  it('may be any where an earlier release has written the head, or has written it since', () => {
    const commands = ids(30);
    const { older: _older, ...earlier } = after(born, commands);
    expect(mayBeOlder(earlier, commands[0] as string)).toBe(true);
    expect(mayBeOlder(after(earlier, ids(3)), commands[0] as string)).toBe(true);
    const known = after(born, commands);
    const since: Done = { ...after(earlier, ids(1)), older: known.older ?? null };
    expect(mayBeOlder(since, uuid7())).toBe(true);
    expect(mayBeOlder(after(since, ids(1)), uuid7())).toBe(true);
  });

  it('count the events of one command as one', () => {
    const commands = ids(17);
    const twice = commands.flatMap((command) => [command, command]);
    const head = after(born, twice);
    expect(head.commands.map((done) => done.command)).toEqual(commands.slice(1));
    expect(head.older).toEqual({ revision: 33, marks: (commands[0] as string).slice(-4) });
  });
});
