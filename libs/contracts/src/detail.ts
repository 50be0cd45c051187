import { z } from 'zod';
import { Instant } from './envelope.js';

export const DetailKind = z.enum(['phone', 'email']);
export type DetailKind = z.infer<typeof DetailKind>;

/** May this detail be texted? The first reason that applies, in this order. */
export const DetailStatus = z.enum(['active', 'blocked', 'opted_out', 'unreachable', 'no_consent']);
export type DetailStatus = z.infer<typeof DetailStatus>;

/**
 * Why a detail may be texted from the moment it was added. It belongs to that detail of that contact, and never
 * outranks a revocation, whatever its date.
 */
export const Basis = z.object({
  source: z.string().min(1).max(200),
  at: Instant,
  wording: z.string().max(2000).optional(),
});
export type Basis = z.infer<typeof Basis>;

/** What shows that a person agreed again after having said stop. */
export const Evidence = z.object({
  source: z.string().min(1).max(200),
  at: Instant,
  statement: z.string().min(1).max(2000),
});
export type Evidence = z.infer<typeof Evidence>;
