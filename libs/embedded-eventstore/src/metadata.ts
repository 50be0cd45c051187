import { SOFT_DELETED_BEFORE, TOMBSTONE_REVISION } from './revision.js';

/** What a stream's metadata says about reading it. */
export interface StreamMetadata {
  /** Events before this revision are not read any more; 0 reads all. */
  truncateBefore: number;
  /** Only the newest so many events are read; Infinity reads all. */
  maxCount: number;
  /** Milliseconds; older events are not read; Infinity reads all. */
  maxAgeMs: number;
  softDeleted: boolean;
}

export const NO_METADATA: StreamMetadata = Object.freeze({
  truncateBefore: 0,
  maxCount: Infinity,
  maxAgeMs: Infinity,
  softDeleted: false,
});

/** A metadata stream keeps its newest event only, whatever anyone sets. */
export const METADATA_OF_METADATA: StreamMetadata = Object.freeze({ ...NO_METADATA, maxCount: 1 });

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;

/** Reads a `$metadata` event. One that is no JSON object says nothing, as on the real server. */
export function parseMetadata(data: Buffer): StreamMetadata {
  const json = parseObject(data);
  if (!json) return NO_METADATA;
  const before = positive(json['$tb']) ?? 0;
  const maxAge = positive(json['$maxAge']);
  return {
    truncateBefore: Math.min(before, TOMBSTONE_REVISION),
    maxCount: positive(json['$maxCount']) ?? Infinity,
    maxAgeMs: maxAge === undefined ? Infinity : maxAge * 1000,
    softDeleted: before >= SOFT_DELETED_BEFORE,
  };
}

/**
 * The metadata that ends a soft delete: the same object, with `$tb` at the revision from which the stream starts
 * again. Undefined if the metadata is no JSON object; the stream then is not soft deleted either.
 */
export function recreatedMetadata(data: Buffer, from: number): string | undefined {
  const json = parseObject(data);
  return json && JSON.stringify({ ...json, $tb: from });
}

function parseObject(data: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
