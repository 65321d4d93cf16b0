/*
 * The memory of a domain that is being restored: which pfn has which frame, and of which type its page is. Pages come in
 * any order and may come again: the last one counts. Page tables are looked at as they come, as xc_domain_restore does,
 * and localised when all has come: until then they name pages by pfn.
 *
 * Whoever only wants to know whether an image can be restored gives `later`: ordinary pages then stay in the file, and
 * come into their frames when something looks at them. The verdict is the same, at the cost of the page tables alone.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import {
  type BodyReader,
  carriesData,
  isPinned,
  isPopulated,
  localise,
  type PageData,
  type PageSkipper,
  type RestoredFrames,
  StreamError,
  tableLevel,
} from '@port-xen/migration-stream';
import { eachEntryFrame } from './entry-frames.ts';
import { frameRun } from './frame-run.ts';
import { FreshPages } from './fresh-pages.ts';
import { hex } from './hex.ts';
import { PfnTable } from './pfn-table.ts';
import { populate } from './populate.ts';
import type { ImagePlace } from './refusal.ts';

const PAGE = 4096;
const NONE = -1;

/** Marks of a pfn: a page table has named it; its data is still in the file; it was made here, empty. */
const NAMED = 1;
const LATER = 4;
const EMPTY = 8;
/** And the level of the page table that its frame holds. */
const LEVEL_SHIFT = 4;

export interface RestoredMemoryOptions {
  /** Called with a sentence for what is lost though the image can be restored. */
  readonly warn: (sentence: string) => void;
  /** Reads a page of the file at an offset: ordinary pages are left there until they are looked at. */
  readonly later?: (offset: number, into: Uint8Array) => void;
}

export class RestoredMemory implements RestoredFrames {
  readonly #hv: Hypervisor;
  readonly #domid: number;
  readonly #options: RestoredMemoryOptions;
  readonly #table = new PfnTable();
  readonly #fresh = new FreshPages();

  constructor(hv: Hypervisor, domid: number, options: RestoredMemoryOptions) {
    this.#hv = hv;
    this.#domid = domid;
    this.#options = options;
  }

  get maxPfn(): number {
    return this.#table.maxPfn;
  }

  /** The MFN of each pfn, -1 for none. Not to be changed. */
  get mfnOf(): Int32Array {
    return this.#table.mfnOf;
  }

  typeOf(pfn: number): number {
    return this.#table.types[pfn] ?? 0;
  }

  /** Where in the file the data of a page stands that has come with some. */
  offsetOf(pfn: number): number {
    return this.#table.offsets[pfn] ?? 0;
  }

  /** The frame of a page whose contents are wanted, -1 for none. */
  pfnToMfn(pfn: number): number {
    const { mfnOf, marks } = this.#table;
    const mfn = mfnOf[pfn] ?? NONE;
    const mark = marks[pfn] ?? 0;
    if ((mark & LATER) !== 0) {
      marks[pfn] = mark & ~LATER;
      this.#options.later?.(this.offsetOf(pfn), this.#bytes(mfn, 1));
    }
    return mfn;
  }

  /** Makes room for pfns up to `maxPfn`. */
  extend(maxPfn: number): void {
    this.#table.extend(maxPfn);
  }

  /**
   * Takes a batch: frames for the pages that have none, and the data into them.
   * @throws StreamError when there are not enough frames, or a page table names a page outside the domain
   */
  take(data: PageData, readPage: BodyReader, skipPages: PageSkipper): void {
    const { pfns, types, verify } = data;
    const fresh = this.#populateBatch(data);
    const read: BodyReader = fresh ? (into) => this.#fresh.read(into, readPage) : readPage;
    let offset = data.dataOffset;
    for (let i = 0; i < pfns.length; ) {
      const pfn = pfns[i] as number;
      const type = types[i] as number;
      let run = 1;
      if (!carriesData(type)) this.#table.types[pfn] = type;
      else {
        if (verify) this.#compare(pfn, type, readPage);
        else run = this.#takeRun(data, i, offset, read, skipPages);
        offset += run * PAGE;
      }
      i += run;
    }
  }

  /**
   * Gives page tables the new MFNs. A page that one names and that never came is made here, empty.
   * @param end where the image's records end
   * @throws StreamError when there are not enough frames
   */
  localiseTables(end: ImagePlace): void {
    const { mfnOf, marks } = this.#table;
    const missing = Int32Array.from(this.#namedWithoutFrame());
    this.#populate(missing, end);
    for (const pfn of missing) marks[pfn] = (marks[pfn] as number) | EMPTY;
    for (let pfn = 0; pfn <= this.maxPfn; pfn++) {
      const level = (marks[pfn] as number) >>> LEVEL_SHIFT;
      if (level === 0) continue;
      localise(this.#bytes(mfnOf[pfn] as number, 1), level, (named) => {
        if (((marks[named] as number) & EMPTY) !== 0) this.#warnOfEmpty(pfn, level, named);
        return mfnOf[named] as number;
      });
    }
    if (this.#options.later !== undefined) this.#loadReached();
  }

  /** Xen looks at whatever an entry says is a table, and at what that page's own words name then, whatever the file calls them. */
  #loadReached(): void {
    const { mfnOf, marks } = this.#table;
    const seen = [1, 2, 3].map(() => new Uint8Array(this.maxPfn + 1));
    const look = (table: number, level: number): void => {
      eachEntryFrame(this.#bytes(mfnOf[table] as number, 1), (mfn) => {
        const pfn = this.#hv.m2p.get(mfn);
        const reached = seen[level - 2] as Uint8Array;
        if (mfnOf[pfn] !== mfn || reached[pfn] === 1) return;
        reached[pfn] = 1;
        this.pfnToMfn(pfn);
        const claimed = (marks[pfn] as number) >>> LEVEL_SHIFT;
        if (level > 2 && claimed !== level - 1) look(pfn, level - 1);
      });
    };
    for (let pfn = 0; pfn <= this.maxPfn; pfn++) {
      const level = (marks[pfn] as number) >>> LEVEL_SHIFT;
      if (level > 1) look(pfn, level);
    }
  }

  *#namedWithoutFrame(): Generator<number> {
    const { mfnOf, marks } = this.#table;
    for (let pfn = 0; pfn <= this.maxPfn; pfn++) {
      if (((marks[pfn] as number) & NAMED) !== 0 && mfnOf[pfn] === NONE) yield pfn;
    }
  }

  /** The pages that are to be pinned, ascending. */
  *pinned(): Generator<{ pfn: number; level: number; mfn: number }> {
    const { mfnOf, types } = this.#table;
    for (let pfn = 0; pfn <= this.maxPfn; pfn++) {
      const type = types[pfn] as number;
      if (isPinned(type)) yield { pfn, level: tableLevel(type), mfn: mfnOf[pfn] as number };
    }
  }

  /** Takes pages of one kind that have their places one after the other. @returns how many */
  #takeRun(
    { pfns, types, offset: record }: PageData,
    start: number,
    offset: number,
    readPage: BodyReader,
    skipPages: PageSkipper,
  ): number {
    const table = this.#table;
    const level = tableLevel(types[start] as number);
    const later = this.#options.later !== undefined && level === 0;
    const mfn = table.mfnOf[pfns[start] as number] as number;
    let run = 0;
    for (; start + run < pfns.length; run++) {
      const pfn = pfns[start + run] as number;
      const type = types[start + run] as number;
      if (!carriesData(type) || tableLevel(type) !== level) break;
      if (!later && table.mfnOf[pfn] !== mfn + run) break;
      table.types[pfn] = type;
      table.offsets[pfn] = offset + run * PAGE;
      const named = (table.marks[pfn] as number) & NAMED;
      table.marks[pfn] = named | (later ? LATER : 0) | (level << LEVEL_SHIFT);
    }
    if (later) skipPages(run);
    else readPage(this.#bytes(mfn, run));
    for (let i = 0; level > 0 && i < run; i++) this.#look(pfns[start + i] as number, level, record);
    return run;
  }

  /** Looks at a page table that has come: notes which pages it names. */
  #look(pfn: number, level: number, record: number): void {
    const { marks, mfnOf } = this.#table;
    const fault = localise(this.#bytes(mfnOf[pfn] as number, 1), level, (named) => {
      if (named > this.maxPfn) return NONE;
      marks[named] = (marks[named] as number) | NAMED;
      return named;
    });
    if (fault === undefined) return;
    throw new StreamError({
      words: `Failed to localise pfn ${hex(pfn)}: bad mfn for L${level}[${fault.slot}]`,
      expected: `a pfn of at most ${hex(this.maxPfn)}`,
      found: hex(fault.frame),
      offset: this.offsetOf(pfn) + fault.slot * 8,
      record: `PAGE_DATA at ${record}`,
    });
  }

  /** @returns whether the batch brings no page twice, and none that has a frame already: its frames are zero */
  #populateBatch({ pfns, types, offset }: PageData): boolean {
    const { mfnOf } = this.#table;
    const wanted = new Int32Array(pfns.length);
    let count = 0;
    let ascending = true;
    let fresh = true;
    for (let i = 0; i < pfns.length; i++) {
      const pfn = pfns[i] as number;
      if (!isPopulated(types[i] as number)) continue;
      if (mfnOf[pfn] !== NONE) {
        fresh = false;
        continue;
      }
      if (count > 0 && pfn <= (wanted[count - 1] as number)) ascending = false;
      wanted[count++] = pfn;
    }
    const found = wanted.subarray(0, count);
    const distinct = ascending ? found : Int32Array.from(new Set(found)).sort();
    this.#populate(distinct, { offset, record: 'PAGE_DATA' });
    return fresh && distinct.length === count;
  }

  #populate(pfns: Int32Array, place: ImagePlace): void {
    if (pfns.length === 0) return;
    const missing = populate(this.#hv, this.#domid, pfns, this.#table.mfnOf);
    if (missing === 0) return;
    throw new StreamError({
      words: 'Failed to populate physmap',
      expected: `${pfns.length} more frames on the host and within the domain's maximum`,
      found: `${pfns.length - missing}`,
      ...place,
    });
  }

  #warnOfEmpty(table: number, level: number, pfn: number): void {
    const { marks } = this.#table;
    marks[pfn] = (marks[pfn] as number) & ~EMPTY;
    this.#options.warn(
      `the L${level} page table at pfn ${hex(table)} names pfn ${hex(pfn)}, which the image has no page for: it starts as zeroes`,
    );
  }

  /** After VERIFY: what comes is compared with what has come. */
  #compare(pfn: number, type: number, readPage: BodyReader): void {
    this.#table.types[pfn] = type;
    const page = new Uint8Array(PAGE);
    readPage(page);
    const held = this.#bytes(this.pfnToMfn(pfn), 1);
    if (page.every((byte, i) => byte === held[i])) return;
    this.#options.warn(`verify pfn ${hex(pfn)} failed: it is not the page that was sent before`);
  }

  #bytes(mfn: number, count: number): Uint8Array {
    return frameRun(this.#hv.memory, mfn, count);
  }
}
