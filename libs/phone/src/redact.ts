/**
 * What a log may keep although it holds many digits: UUIDs, ISO dates and times, and hexadecimal keys of 32 digits or
 * more. Then e-mail addresses (also percent-encoded), then seven or more digits of any script with the usual punctuation.
 * Every repetition is bounded, so that a long text costs time in proportion to its length.
 */
const PERSONAL = new RegExp(
  [
    String.raw`(?<kept>(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-z])`,
    String.raw`(?<![\p{Nd}+-])[12]\d{3}-[01]\d-[0-3]\d(?:T[0-2]\d:[0-5]\d(?::[0-6]\d(?:\.\d{1,9})?)?(?:Z|[+-][01]\d:?[0-5]\d)?)?(?![\p{Nd}-])`,
    String.raw`(?<![0-9a-z])(?=[0-9]{0,63}[a-f])[0-9a-f]{32,64}(?![0-9a-z]))`,
    String.raw`(?<email>[^\s@<>"'(),;:[\]\\]{1,320}(?:@|%40|＠)[^\s@<>"'(),;:[\]\\/?&]{1,255})`,
    String.raw`(?<phone>[+＋]?(?:%2B)?[(（[]?\p{Nd}(?:[\s\p{Pd}\p{Cf}\u2212.()（）[\]\/~]{0,4}\p{Nd}){6,40})`,
  ].join('|'),
  'giu',
);

/**
 * Masks everything that looks like a telephone number or an e-mail address, for logs and traces. Errs on the side of
 * masking: a long number of another kind is masked too. Names cannot be recognised; do not log them.
 */
export function redact(text: string): string {
  return text.replace(PERSONAL, (match: string, ...rest: unknown[]) => {
    const groups = rest.at(-1) as { kept?: string; email?: string };
    if (groups.kept !== undefined) return match;
    return groups.email !== undefined ? '[email]' : '[phone]';
  });
}
