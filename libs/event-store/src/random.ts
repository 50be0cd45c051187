import { randomFillSync } from 'node:crypto';

const STOCK_BYTES = 8_192;

const stock = Buffer.alloc(STOCK_BYTES);
let used = STOCK_BYTES;

/**
 * Bytes from the system's generator, for keys and initialisation vectors. One call of the generator fills many portions;
 * each byte is handed out once and wiped from the stock.
 * @param size in bytes, at most 8,192
 */
export function randomPortion(size: number): Buffer {
  if (used + size > STOCK_BYTES) {
    randomFillSync(stock);
    used = 0;
  }
  const portion = Buffer.from(stock.subarray(used, used + size));
  stock.fill(0, used, used + size);
  used += size;
  return portion;
}
