const START_SLOTS = 1024;

/** Whole numbers from 1 to 2^53 - 1 in open addressing: eight bytes a slot, so that millions stay small. */
export class NumberSet {
  private slots = new Float64Array(START_SLOTS);
  private size = 0;

  /** Adds a number; false when it was there already. */
  add(value: number): boolean {
    if (this.size * 2 >= this.slots.length) this.grow();
    const slot = slotOf(this.slots, value);
    if (this.slots[slot] === value) return false;
    this.slots[slot] = value;
    this.size += 1;
    return true;
  }

  private grow(): void {
    const grown = new Float64Array(this.slots.length * 2);
    for (const value of this.slots) if (value !== 0) grown[slotOf(grown, value)] = value;
    this.slots = grown;
  }
}

/** The slot of the number, or the free one where it belongs. */
function slotOf(slots: Float64Array, value: number): number {
  const mask = slots.length - 1;
  const high = Math.floor(value / 4_294_967_296);
  let slot = (Math.imul(value >>> 0, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)) >>> 7;
  for (slot &= mask; slots[slot] !== 0 && slots[slot] !== value;) slot = (slot + 1) & mask;
  return slot;
}

/** Who a row speaks of: its phone number, else its e-mail address, else its external id. */
export type Identity = { phone: string } | { text: string };

/** Who has been named in the file so far, exactly: no hash stands for a value. */
export class Seen {
  private readonly phones = new NumberSet();
  private readonly texts = new Set<string>();

  /** Notes the identity; false when an earlier row had it. */
  add(identity: Identity): boolean {
    if ('phone' in identity) return this.phones.add(Number(identity.phone.slice(1)));
    if (this.texts.has(identity.text)) return false;
    this.texts.add(identity.text);
    return true;
  }
}
