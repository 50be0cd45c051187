import { Refusal } from '@muster/contracts/errors';
import pLimit from 'p-limit';

/**
 * Work under keys, so much at once and the rest in the order it came in: a wave that all began at once would have all
 * of it run out of time. Whoever comes with a key that is waiting or under way shares that work and its outcome.
 */
export class Line<T> {
  private readonly limit: ReturnType<typeof pLimit>;
  private readonly shared = new Map<string, Promise<T>>();

  /** @param longest how many may wait */
  constructor(
    atOnce: number,
    private readonly longest: number,
  ) {
    this.limit = pLimit(atOnce);
  }

  /** @throws Refusal `service:busy` when as many wait as may; the work is not begun then */
  async join(key: string, work: () => Promise<T>): Promise<T> {
    const same = this.shared.get(key);
    if (same) return same;
    if (this.limit.pendingCount >= this.longest) throw new Refusal('service:busy', { category: 'inbound' });
    const doing = this.limit(work).finally(() => this.shared.delete(key));
    this.shared.set(key, doing);
    return doing;
  }
}
