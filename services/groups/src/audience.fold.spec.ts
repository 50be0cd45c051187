import type { Fact } from '@muster/event-store/facts';
import { detailKeys } from '@muster/phone/detail';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import { AccountBatch } from './account.batch.js';
import { makeCatalogue } from './account.state.js';
import type { MemberDocument } from './audience.model.js';

const ACCOUNT = idNumber(900);
const ANN = idNumber(1);
const PEPPERS = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const PHONE = '+12025550101';
const [NOW, BEFORE] = detailKeys(PEPPERS, 'phone', PHONE) as [string, string];

let position = 0;
function fact(category: Fact['category'], streamId: string, type: string, data: object): Fact {
  position += 10;
  return {
    id: idNumber(position),
    stream: `${category}-${ACCOUNT}_${streamId}`,
    category,
    account: ACCOUNT,
    streamId,
    type,
    data,
    meta: {
      account: ACCOUNT,
      actor: { kind: 'system', id: 'test' },
      source: { kind: 'import', import: idNumber(5), row: 3 },
      command: idNumber(position),
      correlation: idNumber(position),
      at: '2026-02-01T00:00:00.000Z',
      schemaVersion: 1,
    },
    revision: position,
    position,
    at: '2026-02-01T00:00:00.100Z',
    shredded: false,
  };
}

const said = (key: string, yes: boolean, saidAt = '2026-01-05T00:00:00.000Z', late = false): Fact =>
  fact('consent', key, yes ? 'ConsentGranted' : 'ConsentRevoked', {
    detailKey: key,
    kind: 'phone',
    saidAt,
    standing: yes !== late ? 'granted' : 'revoked',
    ...(late ? { late } : {}),
  });

const registered = (more: object = {}): Fact =>
  fact('contact', ANN, 'ContactRegistered', {
    contactId: ANN,
    details: [{ kind: 'phone', key: NOW, primary: true }],
    values: { [NOW]: PHONE },
    basis: { source: 'form', at: '2026-01-02T00:00:00.000Z' },
    firstName: 'Ann',
    ...more,
  });

function ann(...facts: Fact[]): MemberDocument {
  const fields = { _id: ACCOUNT, position: -1, fields: [] };
  const start = { catalogue: makeCatalogue([], fields), nextOrdinal: 0, peppers: PEPPERS };
  const batch = new AccountBatch(start, { members: [], standings: [] });
  for (const one of facts) batch.fold(one);
  return batch.changes().members[0]?.after as MemberDocument;
}

describe('a member', () => {
  it('is active by its basis, and remembers where it came from', () => {
    expect(ann(registered())).toMatchObject({
      status: 'active',
      optedInAt: '2026-01-02T00:00:00.000Z',
      source: 'import',
      import: idNumber(5),
      phones: [{ value: PHONE, country: 'US', status: 'active', primary: true }],
    });
  });

  it('has no consent without a basis, and has it once it was granted', () => {
    expect(ann(registered({ basis: undefined })).status).toBe('no_consent');
    const granted = ann(registered({ basis: undefined }), said(NOW, true));
    expect(granted).toMatchObject({ status: 'active', optedInAt: '2026-01-05T00:00:00.000Z' });
  });

  it('stays opted out whatever the date of its basis, until it is granted', () => {
    const later = { basis: { source: 'form', at: '2027-01-01T00:00:00.000Z' } };
    const stopped = ann(said(NOW, false), registered(later));
    expect(stopped).toMatchObject({ status: 'opted_out', optedOutAt: '2026-01-05T00:00:00.000Z' });
    expect(ann(said(NOW, false), registered(later), said(NOW, true)).status).toBe('active');
  });

  it('is opted out by what was said under an older version of the pepper, before and after its birth', () => {
    expect(ann(said(BEFORE, false), registered()).status).toBe('opted_out');
    expect(ann(registered(), said(BEFORE, false)).status).toBe('opted_out');
    expect(ann(registered(), said(BEFORE, false), said(NOW, true)).status).toBe('opted_out');
  });

  it('keeps a statement that came too late out of its dates', () => {
    const late = ann(registered(), said(NOW, true), said(NOW, false, '2025-01-01T00:00:00.000Z', true));
    expect(late).toMatchObject({ status: 'active', optedInAt: '2026-01-05T00:00:00.000Z' });
    expect(late.optedOutAt).toBeUndefined();
  });

  it('gives a new number no more than its own basis', () => {
    const other = detailKeys(PEPPERS, 'phone', '+12025550102')[0] as string;
    const added = { kind: 'phone', key: other, primary: true, value: '+12025550102' };
    const moved = ann(
      registered(),
      fact('contact', ANN, 'DetailAdded', added),
      fact('contact', ANN, 'DetailReleased', { kind: 'phone', key: NOW }),
    );
    expect(moved).toMatchObject({ status: 'no_consent', phones: [{ value: '+12025550102', primary: true }] });
    expect(moved.keys).not.toContain(NOW);
  });

  it('is the best of its details, while each keeps its own status', () => {
    const mail = { kind: 'email', key: 'e'.repeat(64), primary: true, value: 'ann@example.com' };
    const both = ann(registered(), fact('contact', ANN, 'DetailAdded', mail), said(NOW, false));
    expect(both.phones[0]?.status).toBe('opted_out');
    expect(both.emails[0]?.status).toBe('no_consent');
    expect(both.status).toBe('no_consent');
  });

  it('is born without values when its key was destroyed, and suppressed all the same', () => {
    const shredded = { values: undefined, firstName: undefined };
    const erased = ann(said(NOW, false), registered(shredded));
    expect(erased).toMatchObject({ firstName: '', status: 'opted_out', phones: [{ value: '', key: NOW }] });
  });

  it('leaves nothing personal behind when it is deleted', () => {
    const deleted = ann(registered(), fact('contact', ANN, 'ContactDeleted', { details: [] }));
    expect(deleted).toMatchObject({ deleted: true, groups: [], keys: [] });
    expect(JSON.stringify(deleted)).not.toMatch(/Ann|2025550101/i);
  });
});
