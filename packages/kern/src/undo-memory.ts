import type { VirtualMemory } from '@port-xen/vcpu';

/**
 * Memory as a user macro-instruction sees it: what it stored can be taken back, so that after a page fault in its middle it
 * starts again as if it had never begun. A processor's own instructions are restarted the same way.
 */
export class UndoMemory implements VirtualMemory {
  readonly #memory: VirtualMemory;
  /** What each store of a word or less replaced: address, size in bytes, old value. */
  readonly #words: number[] = [];
  /** What each store of a run of bytes replaced, and how many word stores came before it. */
  readonly #runs: { readonly address: number; readonly old: Uint8Array; readonly after: number }[] =
    [];

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** Takes every store back, the last one first. */
  undo(): void {
    const memory = this.#memory;
    const words = this.#words;
    for (;;) {
      const run = this.#runs.at(-1);
      if (run !== undefined && run.after === words.length) {
        memory.write(run.address, run.old);
        this.#runs.pop();
        continue;
      }
      if (words.length === 0) return;
      const value = words.pop() as number;
      const size = words.pop() as number;
      const address = words.pop() as number;
      if (size === 1) memory.st8(address, value);
      else if (size === 2) memory.st16(address, value);
      else memory.st32(address, value);
    }
  }

  ld8(address: number): number {
    return this.#memory.ld8(address);
  }
  ld16(address: number): number {
    return this.#memory.ld16(address);
  }
  ld32(address: number): number {
    return this.#memory.ld32(address);
  }
  ldWords(address: number, into: Int32Array, count: number): void {
    this.#memory.ldWords(address, into, count);
  }
  fetch32(address: number): number {
    return this.#memory.fetch32(address);
  }
  probe(address: number, length: number, write: boolean): void {
    this.#memory.probe(address, length, write);
  }
  read(address: number, into: Uint8Array): void {
    this.#memory.read(address, into);
  }
  st8(address: number, value: number): void {
    const old = this.#memory.ld8(address);
    this.#memory.st8(address, value);
    this.#words.push(address, 1, old);
  }
  st16(address: number, value: number): void {
    const old = this.#memory.ld16(address);
    this.#memory.st16(address, value);
    this.#words.push(address, 2, old);
  }
  st32(address: number, value: number): void {
    const old = this.#memory.ld32(address);
    this.#memory.st32(address, value);
    this.#words.push(address, 4, old);
  }
  write(address: number, from: Uint8Array): void {
    const old = new Uint8Array(from.length);
    this.#memory.read(address, old);
    this.#memory.write(address, from);
    this.#runs.push({ address, old, after: this.#words.length });
  }
}
