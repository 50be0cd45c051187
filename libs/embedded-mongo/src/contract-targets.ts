import mongoose from 'mongoose';

/** The unmodified driver, as Mongoose brings it. */
export const { MongoClient } = mongoose.mongo;
export type Db = mongoose.mongo.Db;

/** A server against which the contract is checked. */
export interface ContractTarget {
  title: string;
  skipped: boolean;
  /** Resolves with the server's address and what ends it. */
  open(): Promise<{ url: string; close(): Promise<void> }>;
}

/**
 * The servers that must keep the contract: the embedded one always, and a real MongoDB where `realUrl`
 * names it. The
 * same suite on both is what shows that they agree.
 */
export function contractTargets(
  realUrl: string | undefined,
  startEmbedded: () => Promise<{ url: string; stop(): Promise<void> }>,
): ContractTarget[] {
  return [
    {
      title: 'the embedded server',
      skipped: false,
      open: async () => {
        const server = await startEmbedded();
        return { url: server.url, close: () => server.stop() };
      },
    },
    {
      title: realUrl ? 'the real server' : 'the real server (skipped: MONGO_URL names none)',
      skipped: !realUrl,
      open: async () => ({ url: realUrl ?? '', close: async () => undefined }),
    },
  ];
}
