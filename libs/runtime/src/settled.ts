/**
 * Waits for `work` no longer than until `signal` aborts: true when it was done before, false when it was
 * not. What goes wrong before is thrown; what goes wrong after is nobody's any more.
 */
export async function settled(work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return false;
  }
  let cut = (): void => undefined;
  const aborted = new Promise<false>((resolve) => {
    cut = () => resolve(false);
    signal.addEventListener('abort', cut, { once: true });
  });
  try {
    return await Promise.race([work.then(() => true), aborted]);
  } finally {
    work.catch(() => undefined);
    signal.removeEventListener('abort', cut);
  }
}
