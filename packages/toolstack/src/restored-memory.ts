/*
 * The memory of a domain that is being restored: which pfn has which frame, and of which type its page is. Pages come in
 * any order and may come again. Page tables are localised when all has come: until then they name pages by pfn.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import {
  type BodyReader,
  carriesData,
  isPinned,
  isPopulated,
  localise,
  type PageData,
  type RestoredFrames,
  tableLevel,
} from '@port-xen/migration-stream';
import { frameRun } from './frame-run.ts';
import { hex } from './hex.ts';
import { populate } from './populate.ts';
import { ToolstackError } from './toolstack-error.ts';

const NONE = -1;
const XTAB = 15;

export class RestoredMemory implements RestoredFrames {
  readonly #hv: Hypervisor;
  readonly #domid: number;
  #mfnOf = new Int32Array(0);
  #types = new Uint8Array(0);

  constructor(hv: Hypervisor, domid: number) {
    this.#hv = hv;
    this.#domid = domid;
  }

  get maxPfn(): number {
    return this.#mfnOf.length - 1;
  }

  /** The MFN of each pfn, -1 for none. Not to be changed. */
  get mfnOf(): Int32Array {
    return this.#mfnOf;
  }

  typeOf(pfn: number): number {
    return this.#types[pfn] ?? 0;
  }

  pfnToMfn(pfn: number): number {
    return this.#mfnOf[pfn] ?? NONE;
  }

  /** Makes room for pfns up to `maxPfn`. */
  extend(maxPfn: number): void {
    if (maxPfn <= this.maxPfn) return;
    const mfnOf = new Int32Array(maxPfn + 1).fill(NONE);
    const types = new Uint8Array(maxPfn + 1);
    mfnOf.set(this.#mfnOf);
    types.set(this.#types);
    this.#mfnOf = mfnOf;
    this.#types = types;
  }

  /** Takes a batch: frames for the pages that have none, and the data straight into them. */
  take({ pfns, types, verify }: PageData, readPage: BodyReader): void {
    if (verify) return;
    this.#populate(pfns, types);
    for (let i = 0; i < pfns.length; ) {
      const pfn = pfns[i] as number;
      const type = types[i] as number;
      this.#types[pfn] = type;
      i++;
      if (!carriesData(type)) continue;
      const mfn = this.#mfnOf[pfn] as number;
      let run = 1;
      while (i < pfns.length && carriesData(types[i] as number)) {
        if (this.#mfnOf[pfns[i] as number] !== mfn + run) break;
        this.#types[pfns[i] as number] = types[i] as number;
        run++;
        i++;
      }
      readPage(frameRun(this.#hv.memory, mfn, run));
    }
  }

  /** @throws ToolstackError for an entry that names a page outside the domain */
  localiseTables(): void {
    for (let pfn = 0; pfn <= this.maxPfn; pfn++) {
      const level = tableLevel(this.#types[pfn] as number);
      if (level === 0 || this.#mfnOf[pfn] === NONE) continue;
      const page = frameRun(this.#hv.memory, this.#mfnOf[pfn] as number, 1);
      const fault = localise(page, level, (named) => this.#named(named));
      if (fault !== undefined) {
        throw new ToolstackError(
          `page table at pfn ${hex(pfn)} cannot be restored: ${fault.message}`,
        );
      }
    }
  }

  /** Pins what was pinned, in ascending order of pfns. */
  pin(): number {
    let pinned = 0;
    for (let pfn = 0; pfn <= this.maxPfn; pfn++) {
      const type = this.#types[pfn] as number;
      if (!isPinned(type)) continue;
      this.#hv.dom0.pin(this.#domid, tableLevel(type), this.#mfnOf[pfn] as number);
      pinned++;
    }
    return pinned;
  }

  #populate(pfns: Int32Array, types: Uint8Array): void {
    const wanted = pfns.filter(
      (pfn, i) => isPopulated(types[i] as number) && this.#mfnOf[pfn] === NONE,
    );
    if (wanted.length === 0) return;
    wanted.sort();
    let count = 0;
    for (const pfn of wanted) if (count === 0 || wanted[count - 1] !== pfn) wanted[count++] = pfn;
    populate(this.#hv, this.#domid, wanted.subarray(0, count), this.#mfnOf);
  }

  /** The frame of a page that a table names. One that never came starts as zeroes. */
  #named(pfn: number): number {
    if (pfn > this.maxPfn) return NONE;
    const mfn = this.#mfnOf[pfn] as number;
    if (mfn !== NONE) return mfn;
    if (this.#types[pfn] === XTAB) {
      this.#hv.sim.tell(
        'toolstack',
        `domain ${this.#domid}: a page table names pfn ${hex(pfn)}, which the image has no page for: it starts as zeroes`,
      );
    }
    this.#types[pfn] = 0;
    populate(this.#hv, this.#domid, Int32Array.of(pfn), this.#mfnOf);
    return this.#mfnOf[pfn] as number;
  }
}
