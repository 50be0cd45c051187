import { dataOf, encodeReadEvent, encodeResolvedLink } from './recorded.js';
import type { Store, StoredEvent } from './store.js';

/** Type of an event that only points to another: its data is `revision@stream`. */
const LINK_TYPE = '$>';

/** How events become ReadResp messages. */
export type EncodeEvent = (event: StoredEvent) => Buffer;

/** The encoder of a read: links are followed if the client asked for that. */
export function eventEncoder(store: Store, resolveLinks: boolean): EncodeEvent {
  if (!resolveLinks) return encodeReadEvent;
  return (event) => {
    if (store.types.nameOf(event.type) !== LINK_TYPE) return encodeReadEvent(event);
    return encodeResolvedLink(event, linkTarget(store, event));
  };
}

function linkTarget(store: Store, link: StoredEvent): StoredEvent | undefined {
  const [, revision, name] = /^(\d+)@(.+)$/s.exec(dataOf(link.body).toString('utf8')) ?? [];
  const stream = name === undefined ? undefined : store.find(name);
  if (!stream || Number(revision) < store.firstReadable(stream)) return undefined;
  return store.event(stream, Number(revision));
}
