/*
 * The console page holds two byte rings (io/console.h, struct xencons_interface):
 *
 *     in[1024]  @0      back end → guest      in_cons  @3072   in_prod  @3076
 *     out[2048] @1024   guest → back end      out_cons @3080   out_prod @3084
 *
 * Indices run freely over 32 bits; a byte's place is its index modulo the ring's size, so prod − cons (modulo
 * 2^32) bytes wait. The guest can write any index at any time: each is read once, and a difference greater than the
 * ring is a guest out of its senses, whose console is given up; nothing is moved then.
 */
import { xencons_interface } from '@port-xen/abi';
import type { Memory } from '@port-xen/layout';

const IN_BYTES = 1024;
const OUT_BYTES = 2048;
const { offset } = xencons_interface;

/** The guest's indices cannot be: its console is of no use any more. */
export class ConsoleRingError extends Error {
  constructor(ring: 'in' | 'out', cons: number, prod: number, size: number) {
    super(
      `expected at most ${size} bytes in the console's ${ring} ring, found consumer ${cons} and producer ${prod}`,
    );
    this.name = 'ConsoleRingError';
  }
}

const waiting = (ring: 'in' | 'out', cons: number, prod: number, size: number): number => {
  const count = (prod - cons) >>> 0;
  if (count > size) throw new ConsoleRingError(ring, cons, prod, size);
  return count;
};

/** The back end's half of a console page. */
export class ConsoleRing {
  readonly #page: Memory;

  /** @param page the console page, from address 0 on */
  constructor(page: Memory) {
    this.#page = page;
  }

  /**
   * Takes all that the guest has written, in order.
   * @throws ConsoleRingError
   */
  take(): Uint8Array {
    const cons = this.#page.ld32(offset.out_cons) >>> 0;
    const prod = this.#page.ld32(offset.out_prod) >>> 0;
    const count = waiting('out', cons, prod, OUT_BYTES);
    const bytes = new Uint8Array(count);
    const from = cons % OUT_BYTES;
    const first = Math.min(count, OUT_BYTES - from);
    this.#page.read(offset.out + from, bytes.subarray(0, first));
    this.#page.read(offset.out, bytes.subarray(first));
    if (count > 0) this.#page.st32(offset.out_cons, prod);
    return bytes;
  }

  /**
   * Puts as many of `bytes` as there is room for.
   * @returns how many
   * @throws ConsoleRingError
   */
  put(bytes: Uint8Array): number {
    const cons = this.#page.ld32(offset.in_cons) >>> 0;
    const prod = this.#page.ld32(offset.in_prod) >>> 0;
    const count = Math.min(bytes.length, IN_BYTES - waiting('in', cons, prod, IN_BYTES));
    const to = prod % IN_BYTES;
    const first = Math.min(count, IN_BYTES - to);
    this.#page.write(offset.in + to, bytes.subarray(0, first));
    this.#page.write(offset.in, bytes.subarray(first, count));
    if (count > 0) this.#page.st32(offset.in_prod, prod + count);
    return count;
  }
}
