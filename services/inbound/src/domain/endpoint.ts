import { Refusal } from '@muster/contracts/errors';
import type { EndpointEvent, Provider } from '@muster/contracts/inbound';

export interface EndpointState {
  life: 'none' | 'live' | 'removed';
  endpointId: string;
  provider: Provider;
  senders: string[];
  wrappedCredentials: string;
}

export const NO_ENDPOINT: EndpointState = {
  life: 'none',
  endpointId: '',
  provider: 'twilio',
  senders: [],
  wrappedCredentials: '',
};

export function evolve(state: EndpointState, event: EndpointEvent): EndpointState {
  if (event.type === 'EndpointAdded') return { life: 'live', ...event.data };
  return event.type === 'EndpointRemoved' ? { ...state, life: 'removed', wrappedCredentials: '' } : state;
}

export function addEndpoint(
  state: EndpointState,
  endpoint: { endpointId: string; provider: Provider; senders: string[]; wrappedCredentials: string },
): EndpointEvent[] {
  return state.life === 'none' ? [{ type: 'EndpointAdded', data: endpoint }] : [];
}

/** @throws Refusal `endpoint:not_found` for one that never was; removing twice changes nothing */
export function removeEndpoint(state: EndpointState): EndpointEvent[] {
  if (state.life === 'none') throw new Refusal('endpoint:not_found');
  return state.life === 'removed' ? [] : [{ type: 'EndpointRemoved', data: {} }];
}
