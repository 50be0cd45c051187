import type { ConsentEvent } from '@muster/contracts/consent';
import type { ContactEvent } from '@muster/contracts/contact';
import type { FieldEvent } from '@muster/contracts/field';
import type { GroupEvent, MembershipEvent } from '@muster/contracts/group';
import { documentId } from '@muster/contracts/names';
import type { Fact } from '@muster/event-store/facts';
import { detailKeysBeside } from '@muster/phone/detail';
import { causeOf, foldFields, foldGroup, type Catalogue } from './account.state.js';
import { foldContact, foldStanding, withStanding, type Lookup } from './audience.fold.js';
import type {
  Cause,
  FieldsDocument,
  GroupDocument,
  LogDocument,
  MemberDocument,
  StandingDocument,
} from './audience.model.js';
import type { Evaluated } from './rules.js';

/** What a batch needs from the store before it can be folded in memory. */
export interface Loaded {
  members: readonly MemberDocument[];
  standings: readonly StandingDocument[];
}

export interface MemberChange {
  before: MemberDocument | null;
  after: MemberDocument;
}

/** What a batch comes to for one account. */
export interface AccountChanges {
  members: MemberChange[];
  log: LogDocument[];
  standings: StandingDocument[];
  groups: GroupDocument[];
  fields: FieldsDocument | null;
  catalogue: Catalogue;
  nextOrdinal: number;
}

interface Start {
  catalogue: Catalogue;
  nextOrdinal: number;
  peppers: readonly Buffer[];
}

/**
 * Folds events of one account, in order, into what was loaded. Pure: the same start, documents and events give the same
 * changes, and events that a document has folded in already change nothing.
 */
export class AccountBatch {
  private catalogue: Catalogue;
  private nextOrdinal: number;
  private readonly before = new Map<string, MemberDocument>();
  private readonly members = new Map<string, MemberDocument>();
  private readonly changed = new Set<string>();
  private readonly standings = new Map<string, StandingDocument>();
  private readonly said = new Set<string>();
  private readonly holders = new Map<string, Set<string>>();
  private readonly log: LogDocument[] = [];
  private readonly lookup: Lookup;

  constructor(
    private readonly start: Start,
    loaded: Loaded,
  ) {
    this.catalogue = start.catalogue;
    this.nextOrdinal = start.nextOrdinal;
    this.lookup = {
      standingOf: (key) => this.standings.get(key),
      keysOf: (key, kind, value) => detailKeysBeside(key, start.peppers, kind, value),
    };
    for (const member of loaded.members) {
      this.before.set(member.contactId, member);
      this.members.set(member.contactId, member);
      this.indexKeys(member);
    }
    for (const standing of loaded.standings) this.standings.set(standing.key, standing);
  }

  fold(fact: Fact): void {
    switch (fact.category) {
      case 'contact':
        return this.foldContact(fact as Fact<ContactEvent>);
      case 'consent':
        return this.foldConsent(fact as Fact<ConsentEvent>);
      case 'membership':
        return this.foldMembership(fact as Fact<MembershipEvent>);
      case 'group':
        this.catalogue = foldGroup(this.catalogue, fact as Fact<GroupEvent>);
        return;
      case 'fields':
        this.catalogue = foldFields(this.catalogue, fact as Fact<FieldEvent>);
    }
  }

  /** Evaluates a member that was loaded because of every rule that is pending for it. */
  settle(contactId: string): void {
    const member = this.members.get(contactId);
    if (member && !member.deleted) this.put(this.settled(member));
  }

  changes(): AccountChanges {
    const { groups, fields } = this.start.catalogue;
    return {
      members: [...this.changed].map((contactId) => ({
        before: this.before.get(contactId) ?? null,
        after: this.members.get(contactId) as MemberDocument,
      })),
      log: this.log,
      standings: [...this.said].map((key) => this.standings.get(key) as StandingDocument),
      groups: [...this.catalogue.groups.values()].filter((group) => groups.get(group.groupId) !== group),
      fields: this.catalogue.fields === fields ? null : this.catalogue.fields,
      catalogue: this.catalogue,
      nextOrdinal: this.nextOrdinal,
    };
  }

  private foldContact(fact: Fact<ContactEvent>): void {
    if (this.members.has(fact.streamId)) {
      return this.touch(fact.streamId, fact, (member) =>
        foldContact(member, fact, this.lookup, member.ordinal),
      );
    }
    const born = foldContact(null, fact, this.lookup, this.nextOrdinal);
    if (!born) return;
    this.nextOrdinal += 1;
    const evaluated = this.catalogue.rules.evaluateAll(born, fact.at);
    this.put(evaluated.member);
    this.note(evaluated, causeOf(fact));
  }

  private foldConsent(fact: Fact<ConsentEvent>): void {
    const key = fact.streamId;
    const known = this.standings.get(key);
    if (known && known.position >= fact.position) return;
    if (fact.type !== 'ConsentGranted' && fact.type !== 'ConsentRevoked') return;
    const said = foldStanding(known, fact as unknown as ConsentEvent);
    const { account, position } = fact;
    this.standings.set(key, { _id: documentId(account, key), account, key, position, ...said });
    this.said.add(key);
    for (const contactId of [...(this.holders.get(key) ?? [])].sort()) {
      if (!this.members.get(contactId)?.keys.includes(key)) continue;
      this.touch(contactId, fact, (member) => withStanding(member, key, said));
    }
  }

  private foldMembership(fact: Fact<MembershipEvent>): void {
    const group = this.catalogue.groups.get(fact.streamId);
    if (!group || group.deletedPosition !== null || group.kind === 'dynamic') return;
    const { groupId } = group;
    for (const contactId of new Set(fact.data.contactIds)) {
      const isIn = this.members.get(contactId)?.groups.includes(groupId);
      if (isIn === undefined || isIn === (fact.type === 'MembersAdded')) continue;
      this.touch(contactId, fact, (member) => ({
        ...member,
        groups: isIn ? member.groups.filter((one) => one !== groupId) : [...member.groups, groupId].sort(),
      }));
    }
  }

  /** One event for one member: what is pending first, then the event, then the rules that it concerns. */
  private touch(
    contactId: string,
    fact: Fact,
    change: (member: MemberDocument) => MemberDocument | null,
  ): void {
    const known = this.members.get(contactId);
    if (!known || known.deleted || known.position >= fact.position) return;
    const before = this.settled(known);
    const changed = change(before);
    if (!changed) return;
    const after = { ...changed, position: fact.position };
    const evaluated = after.deleted
      ? { member: after, entered: [], left: [] }
      : this.catalogue.rules.evaluateChange(before, after, fact.at);
    this.put(evaluated.member);
    const { entered, left } = difference(before.groups, evaluated.member.groups);
    this.note({ member: evaluated.member, entered, left }, causeOf(fact));
  }

  /** The member after every pending rule that is newer than it, as if it had been evaluated at that very event. */
  private settled(member: MemberDocument): MemberDocument {
    let current = member;
    for (const { groupId, cause, rules } of this.catalogue.pending) {
      if (cause.position <= current.position) continue;
      const evaluated = rules.evaluateGroup(current, groupId, cause.at);
      current = { ...evaluated.member, position: cause.position };
      this.note({ ...evaluated, member: current }, cause);
    }
    return current;
  }

  private put(member: MemberDocument): void {
    if (this.members.get(member.contactId) === member) return;
    this.members.set(member.contactId, member);
    this.changed.add(member.contactId);
    this.indexKeys(member);
  }

  private note({ member, entered, left }: Evaluated, cause: Cause): void {
    const { account, contactId, ordinal } = member;
    const entry = (groupId: string, kind: LogDocument['kind']): LogDocument => ({
      _id: `${account}_${groupId}_${contactId}_${cause.position}`,
      account,
      groupId,
      contactId,
      ordinal,
      kind,
      cause,
    });
    this.log.push(...entered.map((groupId) => entry(groupId, 'entered')));
    this.log.push(...left.map((groupId) => entry(groupId, 'left')));
  }

  private indexKeys({ contactId, keys }: MemberDocument): void {
    for (const key of keys) {
      const holders = this.holders.get(key);
      if (holders) holders.add(contactId);
      else this.holders.set(key, new Set([contactId]));
    }
  }
}

function difference(
  before: readonly string[],
  after: readonly string[],
): { entered: string[]; left: string[] } {
  return {
    entered: after.filter((group) => !before.includes(group)),
    left: before.filter((group) => !after.includes(group)),
  };
}
