import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MissingProperty, decodeBatchAppend } from './codec.js';
import { FrameReader, packFrames } from './frames.js';
import { shared, streams } from './generated.js';
import {
  createdField,
  encodeReadEvent,
  eventIdOf,
  identifierField,
  recordedBody,
  streamNameOf,
} from './recorded.js';
import { NO_STREAM, TOMBSTONE_REVISION } from './revision.js';
import { readVarint, varintField } from './varint.js';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });
const proposals = fc.record({
  id: fc.uuid(),
  type: text,
  json: fc.boolean(),
  data: fc.uint8Array({ maxLength: 300 }),
  metadata: fc.uint8Array({ maxLength: 300 }),
});
type Proposal = typeof proposals extends fc.Arbitrary<infer T> ? T : never;

/** The message as the client's own classes write it. */
function batchMessage(stream: string, proposal: Proposal, structured: boolean): Buffer {
  const id = new shared.UUID();
  if (structured) {
    const [high, low] = [
      proposal.id.replaceAll('-', '').slice(0, 16),
      proposal.id.replaceAll('-', '').slice(16),
    ];
    const halves = new shared.UUID.Structured();
    halves.setMostSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${high}`))));
    halves.setLeastSignificantBits(String(BigInt.asIntN(64, BigInt(`0x${low}`))));
    id.setStructured(halves);
  } else id.setString(proposal.id);
  const message = new streams.BatchAppendReq.ProposedMessage();
  message.setId(id);
  message.getMetadataMap().set('type', proposal.type);
  message
    .getMetadataMap()
    .set('content-type', proposal.json ? 'application/json' : 'application/octet-stream');
  message.setData(proposal.data);
  message.setCustomMetadata(proposal.metadata);
  const identifier = new shared.StreamIdentifier();
  identifier.setStreamName(Buffer.from(stream).toString('base64'));
  const options = new streams.BatchAppendReq.Options();
  options.setStreamIdentifier(identifier);
  options.setStreamPosition('9007199254740');
  const request = new streams.BatchAppendReq();
  request.setOptions(options);
  request.addProposedMessages(message);
  request.setIsFinal(true);
  return Buffer.from(request.serializeBinary());
}

/** The name of what the work throws, or '' if it throws nothing. */
function refusal(work: () => unknown): string {
  try {
    work();
    return '';
  } catch (cause) {
    return cause instanceof Error ? cause.name : String(cause);
  }
}

describe('an event that is stored as it came', () => {
  it('is read by the client’s own classes as what they wrote', () => {
    const revisions = fc.oneof(fc.nat(), fc.constant(TOMBSTONE_REVISION), fc.maxSafeInteger().map(Math.abs));
    fc.assert(
      fc.property(
        text,
        proposals,
        fc.boolean(),
        revisions,
        fc.nat(),
        (stream, proposal, structured, rev, pos) => {
          const request = decodeBatchAppend(batchMessage(stream, proposal, structured), Date.now());
          expect(request.options).toEqual({ stream, expected: 9_007_199_254_740 });
          const [event] = request.decodeEvents();
          const size = proposal.data.length + proposal.metadata.length + 2 * proposal.type.length;
          expect(event).toMatchObject({ id: proposal.id, type: proposal.type, isJson: proposal.json, size });
          const body = recordedBody(identifierField(stream), event!.fields, createdField(1_750_000_000_000));
          expect([streamNameOf(body), eventIdOf(body)]).toEqual([stream, proposal.id]);
          const read = streams.ReadResp.deserializeBinary(encodeReadEvent({ pos, rev, body })).getEvent()!;
          const record = read.getEvent()!;
          expect(Buffer.from(record.getStreamIdentifier()!.getStreamName_asU8()).toString()).toBe(stream);
          expect(record.getStreamRevision()).toBe(
            rev === TOMBSTONE_REVISION ? `${2n ** 63n - 1n}` : `${rev}`,
          );
          expect([record.getCommitPosition(), record.getPreparePosition(), read.getCommitPosition()]).toEqual(
            Array(3).fill(`${pos}`),
          );
          expect(record.getId()!.getString()).toBe(proposal.id);
          expect(record.getMetadataMap().get('type')).toBe(proposal.type);
          expect(record.getMetadataMap().get('created')).toBe('17500000000000000');
          expect(Buffer.from(record.getData_asU8())).toEqual(Buffer.from(proposal.data));
          expect(Buffer.from(record.getCustomMetadata_asU8())).toEqual(Buffer.from(proposal.metadata));
        },
      ),
    );
  });

  it('needs a type and a content type', () => {
    const message = new streams.BatchAppendReq.ProposedMessage();
    const id = new shared.UUID();
    id.setString(randomUUID());
    message.setId(id);
    for (const missing of ['type', 'content-type']) {
      const request = new streams.BatchAppendReq();
      request.addProposedMessages(message);
      const decoded = decodeBatchAppend(Buffer.from(request.serializeBinary()), 0);
      expect(() => decoded.decodeEvents()).toThrow(new MissingProperty(missing));
      message.getMetadataMap().set(missing, 'any');
    }
  });

  it('never lets broken bytes do more than refuse their message', () => {
    const whole = batchMessage(
      'contact-1',
      { id: randomUUID(), type: 'T', json: true, data: Buffer.from('{}'), metadata: Buffer.alloc(9) },
      false,
    );
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(whole.length),
        (at, byte, end) => {
          const broken = Buffer.from(whole.subarray(0, end));
          if (at < broken.length) broken[at] = byte;
          expect(refusal(() => decodeBatchAppend(broken, 0).decodeEvents())).toMatch(
            /^$|^MalformedMessage$|^MissingProperty$/,
          );
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('a varint', () => {
  it('comes back as it went', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger().map(Math.abs), (value) => {
        const field = varintField(0x08, value);
        const cursor = { at: 1 };
        expect([readVarint(field, cursor), cursor.at]).toEqual([value, field.length]);
      }),
    );
  });
});

describe('frames', () => {
  it('are cut into the same messages however the bytes arrive', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 2000 }), { maxLength: 20 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }), (sent, cuts) => {
        const buffers = sent.map((bytes) => Buffer.from(bytes));
        const stream = Buffer.concat(packFrames(buffers));
        const received: Buffer[] = [];
        const reader = new FrameReader((message) => received.push(Buffer.from(message)));
        for (let at = 0, n = 0; at < stream.length; n++) {
          const length = cuts[n % cuts.length]!;
          reader.push(Buffer.from(stream.subarray(at, at + length)));
          at += length;
        }
        expect(received).toEqual(buffers);
      }),
    );
  });

  it('leave in few pieces, and one larger than a piece leaves whole', () => {
    const small = packFrames(Array.from({ length: 1000 }, () => Buffer.alloc(595)));
    expect(small.map(({ length }) => length)).toEqual([261_600, 261_600, 76_800]);
    expect(packFrames([Buffer.alloc(1_000_000)]).map(({ length }) => length)).toEqual([1_000_005]);
  });
});

describe('the revisions', () => {
  it('that stand for words are none that a stream can have', () => {
    expect(NO_STREAM).toBeLessThan(0);
    expect(Number.isSafeInteger(TOMBSTONE_REVISION)).toBe(true);
  });
});
