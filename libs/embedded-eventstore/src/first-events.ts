import { systemEvent } from './recorded.js';
import { NO_STREAM } from './revision.js';
import type { Writer } from './writer.js';

/**
 * A real server has written events of its own before the first client comes, among them its users. They are
 * written here too, so that a reader of the whole log that expects nothing but its own events fails at once.
 */
export async function writeFirstEvents(writer: Writer): Promise<void> {
  const events = ['"$admin"', '"$ops"'].map((json) => systemEvent('$User', json));
  await writer.request({ action: 'append', stream: '$users', expected: NO_STREAM, events });
}
