import { describe, expect, it } from 'vitest';
import { RecentEvents } from './recent-events.js';

describe('recent events', () => {
  const idsIn = (recent: RecentEvents, ids: readonly string[]): string[] =>
    ids.filter((id) => recent.find(id) !== undefined);

  it('forget the oldest and nothing else', () => {
    const recent = new RecentEvents(3);
    for (const [index, id] of ['a', 'b', 'c', 'd', 'e'].entries()) recent.add(id, 1, index);
    expect(idsIn(recent, ['a', 'b', 'c', 'd', 'e'])).toEqual(['c', 'd', 'e']);
    expect(recent.find('e')).toEqual({ stream: 1, rev: 4 });
  });

  it('know the newest place of an id that came twice, and count it once', () => {
    const recent = new RecentEvents(3);
    for (const [index, id] of ['a', 'b', 'a', 'c'].entries()) recent.add(id, 1, index);
    expect(idsIn(recent, ['a', 'b', 'c'])).toEqual(['a', 'b', 'c']);
    expect(recent.find('a')).toEqual({ stream: 1, rev: 2 });
    recent.add('d', 1, 4);
    expect(idsIn(recent, ['a', 'b', 'c', 'd'])).toEqual(['b', 'c', 'd']);
  });

  it('start anew after everything was forgotten', () => {
    const recent = new RecentEvents(2);
    for (const id of ['a', 'b', 'c']) recent.add(id, 1, 0);
    recent.clear();
    for (const id of ['c', 'd', 'e']) recent.add(id, 2, 0);
    expect(idsIn(recent, ['a', 'b', 'c', 'd', 'e'])).toEqual(['d', 'e']);
  });
});
