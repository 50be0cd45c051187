import { Controller } from '@nestjs/common';
import { Refusal } from '@muster/contracts/errors';
import { uuid5 } from '@muster/contracts/ids';
import {
  addEndpoint as addEndpointSubject,
  addKeyword as addKeywordSubject,
  changeKeyword as changeKeywordSubject,
  listEndpoints,
  listKeywords,
  removeEndpoint as removeEndpointSubject,
  removeKeyword as removeKeywordSubject,
} from '@muster/contracts/inbound';
import { webhookPath } from '@muster/contracts/names';
import { EventStore } from '@muster/event-store/event-store';
import { Ask, Handles, type AnswerOf } from '@muster/runtime/handles';
import { addEndpoint, removeEndpoint, type EndpointState } from './domain/endpoint.js';
import { addKeyword, changeKeyword, removeKeyword, type KeywordState } from './domain/keyword.js';
import { credentialContext } from './inbound.webhooks.js';
import { providerOf } from './providers/all.js';
import { Switchboard } from './switchboard.js';

@Controller()
export class SwitchboardCommands {
  constructor(
    private readonly switchboard: Switchboard,
    private readonly store: EventStore,
  ) {}

  @Handles(addEndpointSubject)
  async addEndpoint({
    envelope,
    input,
  }: Ask<typeof addEndpointSubject>): Promise<AnswerOf<typeof addEndpointSubject>> {
    const provider = providerOf(input.provider);
    if (!provider) throw new Refusal('endpoint:provider_unknown', { path: 'provider' });
    const wrong = provider.wrongCredential(input.credentials);
    if (wrong !== null) throw new Refusal('endpoint:credentials_invalid', { path: `credentials.${wrong}` });
    const endpointId = uuid5(envelope.command, 'endpoint');
    const wrapped = this.store.keys.wrap(
      Buffer.from(JSON.stringify(input.credentials)),
      credentialContext(endpointId),
    );
    const endpoint = {
      endpointId,
      provider: input.provider as EndpointState['provider'],
      senders: input.senders,
      wrappedCredentials: wrapped,
    };
    const decided = await this.switchboard.endpoints.execute(envelope, endpointId, (state) =>
      addEndpoint(state, endpoint),
    );
    return { endpoint: endpointView(decided.state), position: decided.position };
  }

  @Handles(removeEndpointSubject)
  async removeEndpoint({
    envelope,
    input,
  }: Ask<typeof removeEndpointSubject>): Promise<AnswerOf<typeof removeEndpointSubject>> {
    const { position } = await this.switchboard.endpoints.execute(envelope, input.id, removeEndpoint);
    this.switchboard.forgetEndpoints();
    return { position };
  }

  @Handles(listEndpoints)
  async endpoints({ envelope }: Ask<typeof listEndpoints>): Promise<AnswerOf<typeof listEndpoints>> {
    return { items: (await this.switchboard.liveEndpoints(envelope.account)).map(endpointView) };
  }

  @Handles(addKeywordSubject)
  async addKeyword({
    envelope,
    input,
  }: Ask<typeof addKeywordSubject>): Promise<AnswerOf<typeof addKeywordSubject>> {
    const keywordId = uuid5(envelope.command, 'keyword');
    if (input.endpointId !== undefined) await this.switchboard.endpoint(envelope.account, input.endpointId);
    const known = await this.switchboard.liveKeywords(envelope.account);
    const others = known.filter((keyword) => keyword.keywordId !== keywordId);
    const decided = await this.switchboard.keywords.execute(envelope, keywordId, (state) =>
      addKeyword(state, { keywordId, ...input, others }),
    );
    return { keyword: keywordView(decided.state), position: decided.position };
  }

  @Handles(changeKeywordSubject)
  async changeKeyword({
    envelope,
    input,
  }: Ask<typeof changeKeywordSubject>): Promise<AnswerOf<typeof changeKeywordSubject>> {
    const decided = await this.switchboard.keywords.execute(envelope, input.id, (state) =>
      changeKeyword(state, input),
    );
    return { keyword: keywordView(decided.state), position: decided.position };
  }

  @Handles(removeKeywordSubject)
  async removeKeyword({
    envelope,
    input,
  }: Ask<typeof removeKeywordSubject>): Promise<AnswerOf<typeof removeKeywordSubject>> {
    const { position } = await this.switchboard.keywords.execute(envelope, input.id, removeKeyword);
    return { position };
  }

  @Handles(listKeywords)
  async keywords({ envelope }: Ask<typeof listKeywords>): Promise<AnswerOf<typeof listKeywords>> {
    return { items: (await this.switchboard.liveKeywords(envelope.account)).map(keywordView) };
  }
}

function endpointView({
  endpointId,
  provider,
  senders,
}: EndpointState): AnswerOf<typeof addEndpointSubject>['endpoint'] {
  return { id: endpointId, provider, senders, webhookPath: webhookPath(provider, endpointId) };
}

function keywordView(state: KeywordState): AnswerOf<typeof addKeywordSubject>['keyword'] {
  const { keywordId, word, endpointId, groups, response, active } = state;
  return { id: keywordId, word, endpointId, groups, response, active };
}
