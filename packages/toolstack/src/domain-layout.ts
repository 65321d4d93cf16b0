/*
 * Where the domain builder puts things (xg_dom_core.c, xg_dom_x86.c). Pfns are handed out from 0 and mapped one to one from
 * VIRT_BASE:
 *
 *     image | P2M list | start_info | xenstore | console | page tables | boot stack | slack to a 4 MiB boundary
 *
 * (A kernel for Xen 2 has no pages for xenstore and console.)
 *
 * The slack is at least 512 KiB. The page tables are the L4, then the L3s, the L2s and the L1s that map all of it. Their
 * number depends on the end of the area, which depends on their number: it is counted until it fits. A kernel with INIT_P2M
 * has its P2M list last, after the mapped area, followed by the tables that map it at the address the kernel chose.
 */
import { hex64, isCanonicalAddress } from '@port-xen/vcpu';
import { guestInterface } from './guest-interface.ts';
import type { KernelImage } from './kernel-image.ts';
import { ToolstackError } from './toolstack-error.ts';

/** One range of addresses that the boot page tables map; both bounds within. */
interface Mapping {
  readonly from: number;
  readonly to: number;
  /** The first of the consecutive pfns it is mapped to. */
  readonly firstPfn: number;
  /** Page tables of level 1, 2, 3 and 4 (at 0 … 3) that this mapping adds: first address mapped, count, first pfn. */
  readonly tables: readonly TableRun[];
  readonly tablePages: number;
}

export interface TableRun {
  readonly level: 1 | 2 | 3 | 4;
  readonly from: number;
  readonly count: number;
  readonly firstPfn: number;
}

export interface DomainLayout {
  readonly pages: number;
  readonly virtBase: number;
  readonly p2mVa: number;
  readonly p2mPfn: number;
  /** Pages of the list itself. */
  readonly p2mPages: number;
  /** Pages of the list and of the tables that map it, where the kernel chose its address; else 0. */
  readonly p2mFrames: number;
  readonly startInfoPfn: number;
  /** -1 where the kernel's interface has no such page. */
  readonly storePfn: number;
  readonly consolePfn: number;
  /** The L4. */
  readonly ptBasePfn: number;
  readonly ptFrames: number;
  readonly bootStackPfn: number;
  /** One past the last address mapped. */
  readonly virtEnd: number;
  readonly mappings: readonly Mapping[];
}

const PAGE = 4096;
const ALIGN = 4 << 20;
const SLACK = 512 << 10;

/** Bytes mapped by one table of the level. */
const spanOf = (level: number): number => PAGE * 512 ** level;

const floorTo = (va: number, span: number): number => Math.floor(va / span) * span;

/** Counts the tables for [from, to], beyond those that `others` already have. */
const countTables = (
  from: number,
  to: number,
  firstPfn: number,
  tablesPfn: number,
  others: readonly Mapping[],
): Mapping => {
  const tables: TableRun[] = [];
  let pfn = tablesPfn;
  for (const level of [4, 3, 2, 1] as const) {
    if (level === 4) {
      if (others.length > 0) continue;
      tables.push({ level, from: 0, count: 1, firstPfn: pfn++ });
      continue;
    }
    const span = spanOf(level);
    const taken = others.flatMap((other) => other.tables.filter((run) => run.level === level));
    const isTaken = (va: number): boolean =>
      taken.some((run) => va >= run.from && va < run.from + run.count * span);
    let first = floorTo(from, span);
    let last = floorTo(to, span);
    while (first <= last && isTaken(first)) first += span;
    while (first <= last && isTaken(last)) last -= span;
    if (first > last) continue;
    const count = (last - first) / span + 1;
    tables.push({ level, from: first, count, firstPfn: pfn });
    pfn += count;
  }
  return { from, to, firstPfn, tables, tablePages: pfn - tablesPfn };
};

const tooLittle = (pages: number, needed: number): never => {
  throw new ToolstackError(
    `expected memory for at least ${needed} pages (${Math.ceil(needed / 256)} MiB): kernel, its tables and 512 KiB of slack; found ${pages} pages (${Math.floor(pages / 256)} MiB)`,
  );
};

/**
 * @param pages the domain's memory
 * @throws ToolstackError if it is too little, or if the mapped area leaves the address space
 */
export const domainLayout = (image: KernelImage, pages: number): DomainLayout => {
  const { virtBase } = image;
  const pfnOf = (va: number): number => Math.floor((va - virtBase) / PAGE);
  const p2mPages = Math.ceil((pages * 8) / PAGE);
  let next = Math.ceil((image.end - virtBase) / PAGE);
  if (next > pages) tooLittle(pages, next);
  const take = (count: number): number => {
    next += count;
    return next - count;
  };
  const inlineP2m = image.initP2m === undefined ? take(p2mPages) : undefined;
  const startInfoPfn = take(1);
  const { hasRings } = guestInterface(image.interface);
  const storePfn = hasRings ? take(1) : -1;
  const consolePfn = hasRings ? take(1) : -1;
  const ptBasePfn = next;

  const extra = 1 + SLACK / PAGE;
  let area: Mapping;
  let count = extra;
  let virtEnd: number;
  for (;;) {
    virtEnd = floorTo(virtBase + (next + count) * PAGE, ALIGN) + ALIGN;
    if (!isCanonicalAddress(virtEnd - 1) || (virtBase < 0 && virtEnd > 0)) {
      throw new ToolstackError(
        `kernel: expected room for ${next + count} pages from VIRT_BASE ${hex64(virtBase)} on, found the end of the address space`,
      );
    }
    area = countTables(virtBase, virtEnd - 1, 0, ptBasePfn, []);
    count = area.tablePages + extra;
    if (virtBase + (next + count) * PAGE <= virtEnd) break;
  }
  take(area.tablePages);
  const bootStackPfn = take(1);
  next = pfnOf(virtEnd);
  if (next > pages) tooLittle(pages, next);

  const mappings = [area];
  let p2mFrames = 0;
  const p2mPfn = inlineP2m ?? take(p2mPages);
  if (image.initP2m !== undefined) {
    const to = image.initP2m + p2mPages * PAGE - 1;
    if (!isCanonicalAddress(to) || (image.initP2m < virtEnd && to >= virtBase)) {
      throw new ToolstackError(
        `kernel: expected INIT_P2M to have room for ${p2mPages} pages outside the mapped area, found ${hex64(image.initP2m)}`,
      );
    }
    const list = countTables(image.initP2m, to, p2mPfn, next, mappings);
    take(list.tablePages);
    mappings.push(list);
    p2mFrames = p2mPages + list.tablePages;
    if (next > pages) tooLittle(pages, next);
  }
  return {
    pages,
    virtBase,
    p2mVa: image.initP2m ?? virtBase + p2mPfn * PAGE,
    p2mPfn,
    p2mPages,
    p2mFrames,
    startInfoPfn,
    storePfn,
    consolePfn,
    ptBasePfn,
    ptFrames: area.tablePages,
    bootStackPfn,
    virtEnd,
    mappings,
  };
};
