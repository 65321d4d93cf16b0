/*
 * Who typed what waits for a guest. A byte is the typist's until it is in the guest's pages; so whoever keeps what he has not been
 * told about knows at any end of the world, a save above all, what has come nowhere.
 */

/** Told how many more of the bytes that he typed the guest has. */
export type Typist = (count: number) => void;

/** The typists of one world, by domain, in the order of their bytes. */
export class Typists {
  readonly #waiting = new Map<number, { readonly typist: Typist; count: number }[]>();

  typed(domid: number, typist: Typist, count: number): void {
    const queue = this.#waiting.get(domid);
    if (queue === undefined) this.#waiting.set(domid, [{ typist, count }]);
    else queue.push({ typist, count });
  }

  /** The guest has so many more. */
  taken(domid: number, count: number): void {
    const queue = this.#waiting.get(domid) ?? [];
    for (let left = count; left > 0; ) {
      const [first] = queue;
      if (first === undefined) return;
      const part = Math.min(left, first.count);
      first.count -= part;
      left -= part;
      if (first.count === 0) queue.shift();
      first.typist(part);
    }
  }
}
