import { beforeAll, describe, expect, it } from 'vitest';
import type { Db } from './contract-targets.js';

interface Member {
  _id: string;
  account: string;
  name: string;
  status: string;
  groups: string[];
  score?: number | null;
  seen: Date;
}

const member = (i: number): Member => ({
  _id: `m${String(i).padStart(4, '0')}`,
  account: `a${i % 3}`,
  name: `name ${String((i * 7) % 1000).padStart(4, '0')}`,
  status: i % 4 === 0 ? 'off' : 'active',
  groups: [`g${i % 5}`, `h${i % 2}`],
  ...(i % 10 === 0 ? {} : { score: i % 10 === 1 ? null : i % 100 }),
  seen: new Date(1_700_000_000_000 + i * 1000),
});

interface Stage {
  stage: string;
  inputStage?: Stage;
  inputStages?: Stage[];
}

const stagesOf = (stage: Stage): string[] => [
  stage.stage,
  ...(stage.inputStage === undefined ? [] : stagesOf(stage.inputStage)),
  ...(stage.inputStages ?? []).flatMap(stagesOf),
];

/** What services rely on when they read: pages, counts, cursors, and indexes that are used. */
export function describeReads(database: () => Db): void {
  const members = () => database().collection<Member>('reads');
  const all = Array.from({ length: 1000 }, (_, i) => member(i));

  beforeAll(async () => {
    await members().drop();
    await members().createIndexes([
      { key: { account: 1, name: 1, _id: 1 } },
      { key: { account: 1, groups: 1, status: 1 } },
      { key: { score: -1 }, partialFilterExpression: { score: { $gt: 50 } } },
    ]);
    await members().insertMany(all);
  });

  it('finds by id, by many ids, and nothing', async () => {
    expect(await members().findOne({ _id: 'm0007' })).toEqual(member(7));
    const ids = all.slice(100, 600).map(({ _id }) => _id);
    const found = await members()
      .find({ _id: { $in: [...ids, 'none'] } })
      .toArray();
    expect(found.map(({ _id }) => _id).sort()).toEqual(ids);
    expect(await members().findOne({ _id: 'none' })).toBeNull();
  });

  it('pages by keyset in index order', async () => {
    const expected = all.filter(({ account }) => account === 'a1').sort((a, b) => (a.name < b.name ? -1 : 1));
    let last: Member | undefined;
    const seen: string[] = [];
    for (;;) {
      const after =
        last === undefined
          ? {}
          : { name: { $gte: last.name }, $or: [{ name: { $gt: last.name } }, { _id: { $gt: last._id } }] };
      const page = await members()
        .find({ account: 'a1', ...after })
        .sort({ name: 1, _id: 1 })
        .limit(50)
        .toArray();
      seen.push(...page.map(({ name }) => name));
      last = page.at(-1);
      if (page.length < 50) break;
    }
    expect(seen).toEqual(expected.map(({ name }) => name));
  });

  it('sorts in both directions, skips and limits', async () => {
    const names = all.map(({ name }) => name).sort();
    const up = await members().find().sort({ name: 1 }).skip(3).limit(4).toArray();
    expect(up.map(({ name }) => name)).toEqual(names.slice(3, 7));
    const down = await members().find().sort({ name: -1 }).limit(4).toArray();
    expect(down.map(({ name }) => name)).toEqual(names.toReversed().slice(0, 4));
  });

  it('tells null and missing from values', async () => {
    expect(await members().countDocuments({ score: null })).toBe(200);
    expect(await members().countDocuments({ score: { $exists: false } })).toBe(100);
    expect(await members().countDocuments({ score: { $ne: null } })).toBe(800);
    expect(await members().countDocuments({ score: { $gt: 50 } })).toBe(
      all.filter(({ score }) => (score ?? 0) > 50).length,
    );
  });

  it('projects, and finds distinct values', async () => {
    expect(await members().findOne({ _id: 'm0003' }, { projection: { name: 1, _id: 0 } })).toEqual({
      name: 'name 0021',
    });
    expect(await members().distinct('groups', { account: 'a0' })).toEqual([
      'g0',
      'g1',
      'g2',
      'g3',
      'g4',
      'h0',
      'h1',
    ]);
  });

  it('counts with and without a filter, and up to a limit', async () => {
    expect(await members().estimatedDocumentCount()).toBe(1000);
    expect(await members().countDocuments({ account: 'a1', groups: 'g1', status: 'active' })).toBe(
      all.filter((each) => each.account === 'a1' && each.groups.includes('g1') && each.status === 'active')
        .length,
    );
    expect(await members().countDocuments({ account: 'a1' }, { limit: 10 })).toBe(10);
  });

  it('groups and joins', async () => {
    const pipeline = [
      { $match: { account: 'a2' } },
      { $group: { _id: '$status', n: { $sum: 1 } } },
      { $sort: { _id: 1 } },
    ];
    const own = all.filter(({ account }) => account === 'a2');
    expect(await members().aggregate(pipeline).toArray()).toEqual([
      { _id: 'active', n: own.filter(({ status }) => status === 'active').length },
      { _id: 'off', n: own.filter(({ status }) => status === 'off').length },
    ]);
  });

  describe('cursors', () => {
    it('bring every document once, in batches', async () => {
      const seen: string[] = [];
      for await (const { _id } of members().find({ account: 'a0' }).batchSize(7)) seen.push(_id);
      expect(seen.sort()).toEqual(all.filter(({ account }) => account === 'a0').map(({ _id }) => _id));
    });

    it('are gone after killCursors, and unknown ones answer with code 43', async () => {
      const reply = await database().command({ find: 'reads', batchSize: 2 });
      const { id } = reply['cursor'] as { id: bigint };
      const killed = await database().command({ killCursors: 'reads', cursors: [id] });
      expect(killed['cursorsKilled']).toHaveLength(1);
      await expect(database().command({ getMore: id, collection: 'reads' })).rejects.toMatchObject({
        code: 43,
      });
    });

    it('end when the limit is reached', async () => {
      const reply = await database().command({ find: 'reads', limit: 5, batchSize: 5 });
      const { firstBatch } = reply['cursor'] as { firstBatch: unknown[] };
      expect(firstBatch).toHaveLength(5);
      let seen = 0;
      for await (const _ of members().find().limit(23).batchSize(5)) seen += 1;
      expect(seen).toBe(23);
    });
  });

  describe('explain shows an index scan for', () => {
    const cases: [string, object, object | undefined][] = [
      ['equality', { account: 'a1' }, undefined],
      ['$in', { account: { $in: ['a1', 'a2'] } }, undefined],
      ['a range', { account: 'a1', name: { $gte: 'name 05', $lt: 'name 06' } }, undefined],
      ['an anchored regular expression', { account: 'a1', name: /^name 05/ }, undefined],
      ['a group membership', { account: 'a1', groups: 'g2', status: 'active' }, undefined],
      ['a sort after equality', { account: 'a1' }, { name: 1, _id: 1 }],
      ['the reverse of a sort', { account: 'a1' }, { name: -1, _id: -1 }],
      [
        'a disjunction',
        {
          $or: [
            { account: 'a1', name: 'name 0007' },
            { account: 'a2', groups: 'g1' },
          ],
        },
        undefined,
      ],
      ['a partial index', { score: { $gt: 60 } }, undefined],
    ];

    it.each(cases)('%s', async (_title, filter, sort) => {
      const find = members().find(filter);
      const explained = (await (sort === undefined ? find : find.sort(sort as Record<string, 1>)).explain(
        'executionStats',
      )) as {
        queryPlanner: { winningPlan: Stage };
        executionStats: { nReturned: number; totalDocsExamined: number };
      };
      const stages = stagesOf(explained.queryPlanner.winningPlan);
      expect(stages).toContain('IXSCAN');
      expect(stages).not.toContain('COLLSCAN');
      expect(stages).not.toContain('SORT');
      const { nReturned, totalDocsExamined } = explained.executionStats;
      expect(nReturned).toBeGreaterThan(0);
      expect(totalDocsExamined).toBe(nReturned);
    });

    it('no condition that an index cannot serve', async () => {
      const explained = (await members().find({ status: 'off' }).explain()) as {
        queryPlanner: { winningPlan: Stage };
      };
      expect(stagesOf(explained.queryPlanner.winningPlan)).toContain('COLLSCAN');
    });
  });
}
