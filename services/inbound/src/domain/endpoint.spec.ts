import type { EndpointEvent } from '@muster/contracts/inbound';
import { scenario } from '@muster/testing/given';
import { idNumber } from '@muster/testing/universe';
import { describe, expect, it } from 'vitest';
import { addEndpoint, evolve, NO_ENDPOINT, removeEndpoint, type EndpointState } from './endpoint.js';

const endpoint = {
  endpointId: idNumber(1),
  provider: 'twilio' as const,
  senders: ['+15555550199'],
  wrappedCredentials: 'AAAA',
};
const added: EndpointEvent = { type: 'EndpointAdded', data: endpoint };
const removed: EndpointEvent = { type: 'EndpointRemoved', data: {} };
const { given } = scenario<EndpointState, EndpointEvent>({ initial: NO_ENDPOINT, evolve });

describe('an endpoint', () => {
  it('is added once', () => {
    given([])
      .when((state) => addEndpoint(state, endpoint))
      .emits([added]);
    given([added])
      .when((state) => addEndpoint(state, { ...endpoint, wrappedCredentials: 'BBBB' }))
      .changesNothing();
  });

  it('is removed for good, and its credentials leave the state', () => {
    given([added]).when(removeEndpoint).emits([removed]);
    given([added, removed]).when(removeEndpoint).changesNothing();
    given([added, removed])
      .when((state) => addEndpoint(state, endpoint))
      .changesNothing();
    expect(given([added, removed]).state()).toMatchObject({ life: 'removed', wrappedCredentials: '' });
  });

  it('cannot be removed when it never was', () => {
    given([]).when(removeEndpoint).refuses('endpoint:not_found');
  });
});
