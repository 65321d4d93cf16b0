/*
 * The pages of a suspended domain, as PAGE_DATA records of at most 1024 pfns. Ordinary pages go out from the frames they are
 * in, neighbours in one piece; page tables go out from a buffer in which they have been canonicalised.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import {
  BATCH_MAX,
  canonicalise,
  carriesData,
  type ImageWriter,
  tableLevel,
} from '@port-xen/migration-stream';
import { frameRun } from './frame-run.ts';
import type { GuestP2m } from './guest-p2m.ts';
import { hex } from './hex.ts';
import { ToolstackError } from './toolstack-error.ts';

const PAGE = 4096;
/** A page that the P2M has no frame for (XEN_DOMCTL_PFINFO_XTAB >> 28). */
const XTAB = 15;
const TYPE_SHIFT = 28;

/** How many pages of which kind were written. */
export interface PageCounts {
  data: number;
  tables: number;
  none: number;
}

/** Writes batches, all with the same buffers. */
class PageWriter {
  readonly #hv: Hypervisor;
  readonly #domid: number;
  readonly #p2m: GuestP2m;
  readonly #pfns = new Int32Array(BATCH_MAX);
  readonly #mfns = new Int32Array(BATCH_MAX);
  readonly #types = new Uint8Array(BATCH_MAX);
  readonly counts: PageCounts = { data: 0, tables: 0, none: 0 };
  /** Canonicalised tables of the batch. */
  #tables = new Uint8Array(16 * PAGE);

  constructor(hv: Hypervisor, domid: number, p2m: GuestP2m) {
    this.#hv = hv;
    this.#domid = domid;
    this.#p2m = p2m;
  }

  /** Writes pfns `first` … `first + count - 1`. */
  write(writer: ImageWriter, first: number, count: number): void {
    const pfns = this.#pfns.subarray(0, count);
    const types = this.#types.subarray(0, count);
    const tables = this.#findTypes(first, count);
    if (tables * PAGE > this.#tables.length) this.#tables = new Uint8Array(tables * PAGE);
    const chunks: Uint8Array[] = [];
    let table = 0;
    for (let i = 0; i < count; ) {
      const type = types[i] as number;
      if (!carriesData(type)) {
        this.counts.none++;
        i++;
      } else if (tableLevel(type) > 0) {
        chunks.push(this.#canonical(first + i, tableLevel(type), table++));
        this.counts.tables++;
        i++;
      } else {
        const run = this.#runLength(i, count);
        chunks.push(frameRun(this.#hv.memory, this.#mfns[i] as number, run));
        this.counts.data += run;
        i += run;
      }
    }
    writer.pageData(pfns, types, chunks);
  }

  /** Finds out each page's type from Xen. @returns how many tables there are */
  #findTypes(first: number, count: number): number {
    const { mfnOf } = this.#p2m;
    let present = 0;
    for (let i = 0; i < count; i++) {
      const mfn = mfnOf[first + i] as number;
      this.#pfns[i] = first + i;
      if (mfn >= 0) this.#mfns[present++] = mfn;
    }
    const info = this.#hv.domctl.pageFrameInfo(this.#domid, this.#mfns.subarray(0, present));
    let tables = 0;
    for (let i = 0, known = 0; i < count; i++) {
      const mfn = mfnOf[first + i] as number;
      const type = mfn < 0 ? XTAB : (info[known++] as number) >>> TYPE_SHIFT;
      this.#types[i] = type;
      if (tableLevel(type) > 0) tables++;
    }
    for (let i = 0; i < count; i++) this.#mfns[i] = mfnOf[first + i] as number;
    return tables;
  }

  /** How many ordinary pages from `i` on lie in frames one after the other. */
  #runLength(i: number, count: number): number {
    const mfn = this.#mfns[i] as number;
    let run = 1;
    while (i + run < count && this.#types[i + run] === 0 && this.#mfns[i + run] === mfn + run)
      run++;
    return run;
  }

  #canonical(pfn: number, level: number, nth: number): Uint8Array {
    const into = this.#tables.subarray(nth * PAGE, (nth + 1) * PAGE);
    const page = frameRun(this.#hv.memory, this.#p2m.mfnOf[pfn] as number, 1);
    const fault = canonicalise(page, level, this.#p2m.pfnOf, into);
    if (fault === undefined) return into;
    throw new ToolstackError(
      `pfn ${hex(pfn)} cannot be saved: ${fault.message}; the guest must unmap it before it suspends`,
    );
  }
}

/**
 * Writes all pages of a domain.
 * @throws ToolstackError for a page table that has no meaning on another host
 */
export const savePages = (
  hv: Hypervisor,
  domid: number,
  p2m: GuestP2m,
  writer: ImageWriter,
): PageCounts => {
  const pages = new PageWriter(hv, domid, p2m);
  for (let first = 0; first <= p2m.maxPfn; first += BATCH_MAX) {
    pages.write(writer, first, Math.min(BATCH_MAX, p2m.maxPfn + 1 - first));
  }
  return pages.counts;
};
