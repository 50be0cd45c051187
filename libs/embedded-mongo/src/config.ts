/** Where a real MongoDB listens that the contract suite may write to; undefined when there is none. */
export const mongoUrl = (): string | undefined => process.env['MONGO_URL'] || undefined;
