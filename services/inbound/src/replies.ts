import type { InboundState } from './domain/inbound.js';

const NAME_MAX = 40;

/**
 * What is texted back, or null. The confirmation of an opt-out is one message without marketing (47 CFR
 * 64.1200(a)(12)), and is left to the carrier where the carrier's mark says that it answers itself.
 */
export function replyText(
  state: InboundState,
  accountName: string,
  keywordResponse: string | null,
): string | null {
  if (state.received?.optOutMark !== undefined) return null;
  const name = [...accountName].slice(0, NAME_MAX).join('');
  switch (state.done?.reply) {
    case 'opted_out':
      return `${name}: You have opted out and will get no more messages. Reply START to opt in again.`;
    case 'opted_in':
      return `${name}: You have opted in again. Reply HELP for help, STOP to opt out. Msg&data rates may apply.`;
    case 'help':
      return `${name}: Message frequency varies. Msg&data rates may apply. Reply STOP to opt out.`;
    case 'keyword':
      return keywordResponse;
    default:
      return null;
  }
}
