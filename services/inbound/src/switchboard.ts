import { Injectable } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import type { EndpointEvent, KeywordEvent } from '@muster/contracts/inbound';
import { documentId } from '@muster/contracts/names';
import { Checkpoints } from '@muster/event-store/checkpoint';
import { Decider } from '@muster/event-store/decider';
import { EventStore } from '@muster/event-store/event-store';
import type { Follower } from '@muster/event-store/follow';
import { Heads, type Head } from '@muster/event-store/heads';
import { repairHeads } from '@muster/event-store/repair';
import { Database } from '@muster/runtime/database';
import { Log } from '@muster/runtime/log';
import { Readiness } from '@muster/runtime/readiness';
import { startWhenReachable } from '@muster/runtime/starting';
import type { mongo } from 'mongoose';
import * as endpoint from './domain/endpoint.js';
import * as keyword from './domain/keyword.js';

const MET_MAX = 10_000;

type EndpointHead = Head<endpoint.EndpointState> & { _id: string };
type KeywordHead = Head<keyword.KeywordState> & { _id: string };

/** Connected carriers and the account's keywords. */
@Injectable()
export class Switchboard {
  readonly endpoints: Decider<endpoint.EndpointState, EndpointEvent>;
  readonly keywords: Decider<keyword.KeywordState, KeywordEvent>;
  private readonly endpointHeads: mongo.Collection<EndpointHead>;
  private readonly keywordHeads: mongo.Collection<KeywordHead>;

  private readonly repairs: Follower[] = [];
  /** Endpoints as webhooks met them, by account and id; every event of an endpoint empties it. */
  private readonly met = new Map<string, endpoint.EndpointState>();
  private changes = 0;

  constructor(
    private readonly store: EventStore,
    private readonly database: Database,
    private readonly log: Log,
    private readonly readiness: Readiness,
  ) {
    this.endpointHeads = database.collection<EndpointHead>('endpoint_heads');
    this.keywordHeads = database.collection<KeywordHead>('keyword_heads');
    this.endpoints = new Decider<endpoint.EndpointState, EndpointEvent>({
      store,
      heads: new Heads<endpoint.EndpointState>(this.endpointHeads),
      category: 'endpoint',
      initial: endpoint.NO_ENDPOINT,
      evolve: endpoint.evolve,
    });
    this.keywords = new Decider<keyword.KeywordState, KeywordEvent>({
      store,
      heads: new Heads<keyword.KeywordState>(this.keywordHeads),
      category: 'keyword',
      initial: keyword.NO_KEYWORD,
      evolve: keyword.evolve,
    });
  }

  onModuleInit(): void {
    startWhenReachable(this.readiness, this.log, 'switchboard', async () => {
      // All endpoints, and all keywords, of an account.
      await this.endpointHeads.createIndex({ account: 1 }, { name: 'of_account' });
      await this.keywordHeads.createIndex({ account: 1 }, { name: 'of_account' });
      await this.repair();
    });
  }

  async onModuleDestroy(): Promise<void> {
    await Promise.all(this.repairs.map((repair) => repair.stop()));
  }

  /** Lists are read from heads, so those that a crash left behind are made current. */
  private async repair(): Promise<void> {
    const checkpoints = new Checkpoints(this.database.collection('checkpoints'));
    const onError = (error: unknown): void => this.log.error('repair of the switchboard', error);
    const forget = (): void => this.forgetEndpoints();
    const { store, endpoints } = this;
    this.repairs.push(await repairHeads(store, endpoints, checkpoints, 'endpoint', onError, forget));
    this.repairs.push(await repairHeads(this.store, this.keywords, checkpoints, 'keyword', onError));
  }

  /** @throws Refusal `endpoint:not_found` */
  async endpoint(account: string, id: string): Promise<endpoint.EndpointState> {
    const { state } = await this.endpoints.load(account, id);
    if (state.life !== 'live') throw new Refusal('endpoint:not_found', { path: 'endpointId' });
    return state;
  }

  /**
   * An endpoint for a webhook: from memory where one came before. Another replica's change is known a moment later; who
   * cannot wait for it asks for a `fresh` one.
   */
  async endpointOfWebhook(account: string, id: string, fresh = false): Promise<endpoint.EndpointState> {
    const key = documentId(account, id);
    const known = fresh ? undefined : this.met.get(key);
    if (known) return known;
    const before = this.changes;
    const { state } = await this.endpoints.load(account, id);
    const isRemembered = state.life === 'live' && before === this.changes && this.met.size < MET_MAX;
    if (isRemembered) this.met.set(key, state);
    return state;
  }

  forgetEndpoints(): void {
    this.changes += 1;
    this.met.clear();
  }

  async liveEndpoints(account: string): Promise<endpoint.EndpointState[]> {
    const heads = await this.endpointHeads.find({ account }).toArray();
    return heads.map((head) => head.state).filter((state) => state.life === 'live');
  }

  async activeKeywords(account: string): Promise<keyword.KeywordState[]> {
    return (await this.liveKeywords(account)).filter((one) => one.active);
  }

  async liveKeywords(account: string): Promise<keyword.KeywordState[]> {
    const heads = await this.keywordHeads.find({ account }).toArray();
    return heads.map((head) => head.state).filter((state) => state.life === 'live');
  }
}
