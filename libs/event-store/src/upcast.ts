type Step = (data: Record<string, unknown>) => Record<string, unknown>;

/**
 * Steps from one released shape of an event to the next, by type and by the version they start from. Additive changes
 * need none: a new property is optional. The golden history in contracts/history shows that every shape still folds.
 */
const STEPS: Readonly<Record<string, Readonly<Record<number, Step>>>> = {};

/** Brings the stored data of an event to the shape that this release declares. */
export function upcast(
  type: string,
  version: number,
  data: Record<string, unknown>,
): Record<string, unknown> {
  const steps = STEPS[type];
  if (!steps) return data;
  let current = data;
  for (let from = version; steps[from]; from += 1) current = (steps[from] as Step)(current);
  return current;
}
