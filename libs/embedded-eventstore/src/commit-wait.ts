import type { Call } from './call.js';
import type { Writer } from './writer.js';

/** Resolves after the next commit, or when the call is closed. */
export function nextCommit(call: Call, writer: Writer): Promise<void> {
  return new Promise((resolve) => {
    let forgetClose = (): void => {};
    const forgetCommit = writer.onCommit(() => {
      forgetClose();
      resolve();
    });
    forgetClose = call.onClose(() => {
      forgetCommit();
      resolve();
    });
  });
}
