/*
 * A direct-mapped TLB of one address space: 4096 entries, chosen by bits 23…12 of the virtual address.
 *
 *   read[i], write[i], exec[i]   page address if the page may be read, stored to, fetched from; NaN otherwise
 *   frame[i]                     index of the frame's first 32-bit word
 *
 * The tag is compared with `va - (va & 0xffc)`: a word that is not aligned keeps its low two bits, matches no tag, and so goes the
 * slow way without a test of its own. The three sides share `frame`: filling one clears the others unless they are for the same page.
 */

const ENTRIES = 4096;
/** Mask of an entry's number in va >>> 12. */
export const TLB_MASK = ENTRIES - 1;

export class Tlb {
  readonly read = new Float64Array(ENTRIES).fill(Number.NaN);
  readonly write = new Float64Array(ENTRIES).fill(Number.NaN);
  readonly exec = new Float64Array(ENTRIES).fill(Number.NaN);
  readonly frame = new Int32Array(ENTRIES);
  #empty = true;
  #noWrites = true;
  #noFetches = true;

  /** Makes room for a page, keeping what is there for the same one. @returns the entry's number */
  place(page: number, frame: number): number {
    const i = (page >>> 12) & TLB_MASK;
    if (this.read[i] !== page || this.frame[i] !== frame) {
      this.read[i] = page;
      this.write[i] = Number.NaN;
      this.exec[i] = Number.NaN;
      this.frame[i] = frame;
    }
    this.#empty = false;
    return i;
  }

  placeWrite(page: number, frame: number): void {
    this.write[this.place(page, frame)] = page;
    this.#noWrites = false;
  }

  placeExec(page: number, frame: number): void {
    this.exec[this.place(page, frame)] = page;
    this.#noFetches = false;
  }

  flush(): void {
    if (this.#empty) return;
    this.read.fill(Number.NaN);
    if (!this.#noFetches) this.exec.fill(Number.NaN);
    this.#noFetches = true;
    this.#empty = true;
    this.flushWrites();
  }

  flushWrites(): void {
    if (this.#noWrites) return;
    this.write.fill(Number.NaN);
    this.#noWrites = true;
  }

  /** INVLPG. */
  invalidate(page: number): void {
    const i = (page >>> 12) & TLB_MASK;
    if (this.read[i] !== page) return;
    this.read[i] = Number.NaN;
    this.write[i] = Number.NaN;
    this.exec[i] = Number.NaN;
  }
}
