/** What each domain of a host has printed, and how far a test has read. */
export class ConsoleText {
  readonly #texts = new Map<number, string>();
  readonly #read = new Map<number, number>();

  append(domid: number, text: string): void {
    this.#texts.set(domid, this.of(domid) + text);
  }

  /** All of it. */
  of(domid: number): string {
    return this.#texts.get(domid) ?? '';
  }

  /** Whether `text` was printed after what was taken last. */
  has(domid: number, text: string): boolean {
    return this.of(domid).indexOf(text, this.#read.get(domid) ?? 0) >= 0;
  }

  /** Reads up to the end of `text`, which is there. @returns what was read */
  take(domid: number, text: string): string {
    const all = this.of(domid);
    const from = this.#read.get(domid) ?? 0;
    const end = all.indexOf(text, from) + text.length;
    this.#read.set(domid, end);
    return all.slice(from, end);
  }
}
