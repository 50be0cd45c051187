import type { Channel } from '@muster/contracts/audience';
import type { DetailStatus } from '@muster/contracts/detail';
import { ALL_CONTACTS } from '@muster/contracts/group';
import { RoaringBitmap32 } from 'roaring-wasm';
import type { EmailEntry, MemberDocument, PhoneEntry } from './audience.model.js';

export type Bitmap = RoaringBitmap32;

export const CHANNELS = ['sms', 'email'] as const satisfies readonly Channel[];

/** The primary detail of a channel: the only one that an audience would use. */
export function primaryOf(
  member: Pick<MemberDocument, 'phones' | 'emails'>,
  channel: Channel,
): PhoneEntry | EmailEntry | undefined {
  const details: readonly (PhoneEntry | EmailEntry)[] = channel === 'sms' ? member.phones : member.emails;
  return details.find((detail) => detail.primary);
}

/**
 * Sets of ordinals of one account: every contact, every group, and for each channel the contacts by the status of their
 * primary detail. Counting and joining are set algebra over them; documents are for pages.
 */
export class AccountBitmaps {
  readonly live: Bitmap = new RoaringBitmap32();
  /** Contacts with at least one active detail, primary or not. */
  readonly active: Bitmap = new RoaringBitmap32();
  private readonly groups = new Map<string, Bitmap>();
  private readonly byStatus = new Map<string, Bitmap>();
  readonly sharedEmails = new SharedKeys();

  /** Brings the sets from one state of a member to the next; null for a member that was not there. */
  replace(before: MemberDocument | null, after: MemberDocument): void {
    const { ordinal } = after;
    const was = before && !before.deleted ? before : null;
    const is = after.deleted ? null : after;
    if (!was && is) this.live.add(ordinal);
    if (was && !is) this.live.delete(ordinal);
    this.setIf(this.active, ordinal, is?.status === 'active');
    for (const group of was?.groups ?? []) {
      if (!is?.groups.includes(group)) this.groups.get(group)?.delete(ordinal);
    }
    for (const group of is?.groups ?? []) this.ofGroup(group).add(ordinal);
    for (const channel of CHANNELS) this.replaceChannel(channel, was, is, ordinal);
  }

  private replaceChannel(
    channel: Channel,
    was: MemberDocument | null,
    is: MemberDocument | null,
    ordinal: number,
  ): void {
    const [old, now] = [was && primaryOf(was, channel), is && primaryOf(is, channel)];
    if (old && old.status !== now?.status) this.withStatus(channel, old.status).delete(ordinal);
    if (now) this.withStatus(channel, now.status).add(ordinal);
    if (channel === 'email' && old?.key !== now?.key) {
      if (old) this.sharedEmails.remove(old.key, ordinal);
      if (now) this.sharedEmails.add(now.key, ordinal);
    }
  }

  /** The members of a group; of the built-in group, every contact. Not to be changed by the caller. */
  ofGroup(groupId: string): Bitmap {
    if (groupId === ALL_CONTACTS) return this.live;
    return getOrMake(this.groups, groupId);
  }

  /** Contacts whose primary detail of a channel has a status. Not to be changed by the caller. */
  withStatus(channel: Channel, status: DetailStatus | string): Bitmap {
    return getOrMake(this.byStatus, `${channel}:${status}`);
  }

  counts(groupId: string): { members: number; active: number; sms: number; email: number } {
    const members = this.ofGroup(groupId);
    return {
      members: members.size,
      active: members.andCardinality(this.active),
      sms: members.andCardinality(this.withStatus('sms', 'active')),
      email: members.andCardinality(this.withStatus('email', 'active')),
    };
  }

  private setIf(bitmap: Bitmap, ordinal: number, on: boolean): void {
    if (on) bitmap.add(ordinal);
    else bitmap.delete(ordinal);
  }
}

function getOrMake(bitmaps: Map<string, Bitmap>, key: string): Bitmap {
  const known = bitmaps.get(key);
  if (known) return known;
  const made = new RoaringBitmap32();
  bitmaps.set(key, made);
  return made;
}

/** Which contacts have the same primary e-mail address. Keyed by 52 bits of the detail key, which a number holds. */
export class SharedKeys {
  private readonly first = new Map<number, number>();
  private readonly several = new Map<number, Set<number>>();

  add(key: string, ordinal: number): void {
    const short = shortKey(key);
    const known = this.first.get(short);
    if (known === undefined) {
      this.first.set(short, ordinal);
      return;
    }
    if (known === ordinal) return;
    const holders = this.several.get(short) ?? new Set([known]);
    holders.add(ordinal);
    this.several.set(short, holders);
  }

  remove(key: string, ordinal: number): void {
    const short = shortKey(key);
    const holders = this.several.get(short);
    if (!holders) {
      if (this.first.get(short) === ordinal) this.first.delete(short);
      return;
    }
    holders.delete(ordinal);
    const left = Math.min(...holders);
    this.first.set(short, left);
    if (holders.size === 1) this.several.delete(short);
  }

  /** Of every address that several of the contacts have, all but the first: they would get the same message twice. */
  duplicatesAmong(contacts: Bitmap): Bitmap {
    const duplicates = new RoaringBitmap32();
    for (const holders of this.several.values()) {
      const present = [...holders].filter((ordinal) => contacts.has(ordinal)).sort((a, b) => a - b);
      present.slice(1).forEach((ordinal) => duplicates.add(ordinal));
    }
    return duplicates;
  }
}

function shortKey(key: string): number {
  return Number.parseInt(key.slice(0, 13), 16);
}
