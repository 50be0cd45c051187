import { EventStoreDBClient } from '@eventstore/db-client';

/** A running server, as the test kit starts it. */
interface StartedServer {
  url: string;
  stop(): Promise<void>;
}

/** A server against which the contract is checked. */
export interface ContractTarget {
  title: string;
  skipped: boolean;
  open(): Promise<{ client: EventStoreDBClient; close(): Promise<void> }>;
}

/**
 * The servers that must keep the contract: the embedded one always, and a real one where `realUrl` names it. The
 * same suite on both is what shows that they agree.
 */
export function contractTargets(
  realUrl: string | undefined,
  startEmbedded: () => Promise<StartedServer>,
): ContractTarget[] {
  const openEmbedded: ContractTarget['open'] = async () => {
    const server = await startEmbedded();
    const client = EventStoreDBClient.connectionString(server.url);
    const close = async (): Promise<void> => {
      await client.dispose();
      await server.stop();
    };
    return { client, close };
  };
  const openReal: ContractTarget['open'] = async () => {
    const client = EventStoreDBClient.connectionString(realUrl ?? '');
    return { client, close: () => client.dispose() };
  };
  return [
    { title: 'the embedded server', skipped: false, open: openEmbedded },
    {
      title: realUrl ? 'the real server' : 'the real server (skipped: EVENTSTORE_URL names none)',
      skipped: !realUrl,
      open: openReal,
    },
  ];
}
