/*
 * Which port an address was last heard on. Entries age: one that has not been heard for `ageing_ns` is as good as gone, and is
 * removed when it is met or when room is needed. A full table of young entries learns nothing new, so that whoever makes
 * addresses up fills the table and does not push others out of it.
 */

/** A station's address as a number: its six bytes, the first being the highest. */
export const macAt = (bytes: Uint8Array, at: number): number => {
  const high = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  const low =
    ((bytes[at + 2] as number) << 24) |
    ((bytes[at + 3] as number) << 16) |
    ((bytes[at + 4] as number) << 8) |
    (bytes[at + 5] as number);
  return high * 0x1_0000_0000 + (low >>> 0);
};

interface Entry<P> {
  port: P;
  heard_ns: number;
}

/** Addresses, each with the port it was last heard on. */
export class MacTable<P> {
  readonly #entries = new Map<number, Entry<P>>();
  readonly #limit: number;
  readonly #ageing_ns: number;

  constructor(limit: number, ageing_ns: number) {
    this.#limit = limit;
    this.#ageing_ns = ageing_ns;
  }

  /** Entries kept, old ones that nobody met included. */
  get size(): number {
    return this.#entries.size;
  }

  /** @returns whether there was room */
  learn(mac: number, port: P, now_ns: number): boolean {
    const entry = this.#entries.get(mac);
    if (entry !== undefined) {
      entry.port = port;
      entry.heard_ns = now_ns;
      return true;
    }
    if (this.#entries.size >= this.#limit) this.#removeOld(now_ns);
    if (this.#entries.size >= this.#limit) return false;
    this.#entries.set(mac, { port, heard_ns: now_ns });
    return true;
  }

  /** @returns the port on which the address was heard lately */
  find(mac: number, now_ns: number): P | undefined {
    const entry = this.#entries.get(mac);
    if (entry === undefined) return undefined;
    if (now_ns - entry.heard_ns < this.#ageing_ns) return entry.port;
    this.#entries.delete(mac);
    return undefined;
  }

  /** The port is no more. */
  forget(port: P): void {
    for (const [mac, entry] of this.#entries) if (entry.port === port) this.#entries.delete(mac);
  }

  #removeOld(now_ns: number): void {
    for (const [mac, { heard_ns }] of this.#entries) {
      if (now_ns - heard_ns >= this.#ageing_ns) this.#entries.delete(mac);
    }
  }
}
