import type { AllStreamRecordedEvent, RecordedEvent } from '@eventstore/db-client';
import type { RawFact } from './facts.js';

/** The client's form of an event in ours. Positions stay far below 2^53, so plain numbers hold them. */
export function toRaw(event: RecordedEvent | AllStreamRecordedEvent): RawFact {
  const position = 'position' in event && event.position ? Number(event.position.commit) : 0;
  return {
    id: event.id,
    stream: event.streamId,
    type: event.type,
    data: event.data,
    metadata: event.metadata,
    revision: Number(event.revision),
    position,
    at: event.created,
  };
}
