import type { ServerRegex } from './regex.js';

/**
 * A test of one value or of the values at a path. Negations (`$ne`, `$nin`, `$not`) are `not` nodes around
 * these.
 */
export type FieldTest =
  | { readonly op: '$eq' | '$gt' | '$gte' | '$lt' | '$lte'; readonly value: unknown }
  | { readonly op: '$in'; readonly values: readonly unknown[]; readonly regexes: readonly ServerRegex[] }
  | { readonly op: '$regex'; readonly regex: ServerRegex; readonly value: unknown }
  | { readonly op: '$exists' }
  | { readonly op: '$type'; readonly types: ReadonlySet<string> }
  | { readonly op: '$size'; readonly size: number }
  | { readonly op: '$mod'; readonly divisor: bigint; readonly remainder: bigint }
  | { readonly op: BitsOperator; readonly mask: bigint }
  | { readonly op: '$elemMatch'; readonly element: 'value' | 'document'; readonly child: Filter };

/** The four bit operators. */
export type BitsOperator = '$bitsAllSet' | '$bitsAllClear' | '$bitsAnySet' | '$bitsAnyClear';

/**
 * A test at a dotted path; inside a value `$elemMatch` the path is empty and the test applies to the element.
 */
export type FieldFilter = { readonly kind: 'field'; readonly path: string } & FieldTest;

/** A parsed filter. `{ kind: 'and', children: [] }` matches everything; `or` of nothing matches nothing. */
export type Filter =
  | { readonly kind: 'and' | 'or' | 'nor'; readonly children: readonly Filter[] }
  | { readonly kind: 'not'; readonly child: Filter }
  | FieldFilter
  | { readonly kind: 'expr'; readonly expression: unknown };
