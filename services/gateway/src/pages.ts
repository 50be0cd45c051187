import type { ServerResponse } from 'node:http';

/**
 * Writes pages to a response whose head is set. The next one is asked for when the system has taken the one before in
 * full, so a reader that pauses has the rest of one page waiting for it in this process at the most, and none that was
 * made ahead of it. Ends the asking when the reader leaves.
 * @throws what a page failed with, after the connection was broken: an answer that is not whole must not end in order.
 */
export async function writePages(response: ServerResponse, pages: AsyncIterable<string>): Promise<void> {
  try {
    for await (const page of pages) {
      if (response.destroyed) return;
      if (page !== '' && !(await isTaken(response, page))) return;
    }
    response.end();
  } catch (error) {
    response.destroy();
    throw error;
  }
}

/** Whether the system took the text; false when the reader has left. */
function isTaken(response: ServerResponse, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const leave = (): void => resolve(false);
    response.once('close', leave);
    response.write(text, (error) => {
      response.off('close', leave);
      resolve(!error);
    });
  });
}
