/*
 * Mapping another domain's frame for a grant. The grant table decides whether; this decides where, and keeps the references.
 *
 * A host mapping is an L1 entry that names a frame of another owner, holding what any L1 entry holds: a general reference, and a
 * writable type reference when it is writable. The entry owns them: if its table goes, or the guest overwrites the entry, they go with
 * it, and the grant stays in use until its holder is dead.
 *
 *   by address      the L1 table that maps a virtual address in the current address space
 *   contains_pte    the machine address of the entry itself, in an L1 table of the caller's
 *
 * dom0, which has no vCPU, and device mappings hold a frame without an entry: holdFrame, releaseFrame.
 */
import {
  GNTMAP_contains_pte,
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
} from '@port-xen/abi';
import { PGT_l1_page_table, PGT_writable_page } from './frame-table.ts';
import type { HostMemory } from './host-memory.ts';
import { PAGE_WORDS } from './machine-memory.ts';
import type { MemoryVcpu } from './memory-domain.ts';
import {
  adjustHigh,
  adjustLow,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_PRESENT,
  PTE_RW,
  PTE_US,
  pteFrame,
  pteHigh,
  pteLow,
} from './page-entry.ts';
import { slotOf } from './page-walk.ts';
import { l1TableOf } from './update-va-mapping.ts';

/** Bits 18…16 of the flags become the entry's available bits 11…9 (XENFEAT_gnttab_map_avail_bits). */
const AVAIL_SHIFT = 16;
const GNTMAP_application_map = 8;

/** Where the entry of a mapping is: flags and host_addr of gnttab_map_grant_ref. */
export interface HostAddress {
  /** GNTMAP_*. */
  readonly flags: number;
  /** host_addr: a virtual address, exact while canonical. */
  readonly va: number;
  /** host_addr, two halves, for contains_pte. */
  readonly low: number;
  readonly high: number;
}

/** Takes what a mapping of a frame of `owner` holds. @returns false: not its frame, or not writable */
export const holdFrame = (
  host: HostMemory,
  mfn: number,
  owner: number,
  writable: boolean,
): boolean => {
  if (!writable) return host.types.getPage(mfn, owner);
  return host.types.getPageAndType(mfn, owner, PGT_writable_page) === 0;
};

/** Drops what {@link holdFrame} took. */
export const releaseFrame = (host: HostMemory, mfn: number, writable: boolean): void => {
  if (writable) host.types.putPageType(mfn);
  host.types.putPage(mfn);
};

/** Word index of the entry meant, or -1: no L1 table of the caller's there. */
const entryOf = (vcpu: MemoryVcpu, at: HostAddress): number => {
  const { memory, table } = vcpu.domain.host;
  if ((at.flags & GNTMAP_contains_pte) === 0) {
    const l1 = l1TableOf(vcpu, at.va);
    if (l1 < 0 || table.ownerOf(l1) !== vcpu.domain.domid) return -1;
    return memory.wordIndex(l1) + slotOf(1, at.va) * 2;
  }
  const mfn = (at.high >>> 0) * 2 ** 20 + (at.low >>> 12);
  const i = table.index(mfn);
  const isTable =
    (at.low & 7) === 0 &&
    i >= 0 &&
    table.owner[i] === vcpu.domain.domid &&
    table.type[i] === PGT_l1_page_table &&
    (table.typeRefs[i] as number) > 0;
  return isTable ? memory.wordIndex(mfn) + ((at.low & 0xff8) >> 2) : -1;
};

const tableOf = (host: HostMemory, entry: number): number =>
  host.memory.firstMfn + Math.floor(entry / PAGE_WORDS);

/**
 * Puts a frame of `owner` where the caller asks, in place of what is there.
 * @returns GNTST_okay, or GNTST_general_error with nothing changed: no place, not the owner's frame, not writable
 */
export const createGrantHostMapping = (
  vcpu: MemoryVcpu,
  at: HostAddress,
  mfn: number,
  owner: number,
): number => {
  const { host, domid } = vcpu.domain;
  const entry = entryOf(vcpu, at);
  const writable = (at.flags & GNTMAP_readonly) === 0;
  if (entry < 0 || !holdFrame(host, mfn, owner, writable)) return GNTST_general_error;
  const avail = at.flags >>> AVAIL_SHIFT;
  const us = (at.flags & GNTMAP_application_map) !== 0 ? PTE_US : 0;
  const flags =
    PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | us | (writable ? PTE_RW : 0) | ((avail & 7) << 9);
  const low = pteLow(mfn, flags);
  const high = adjustHigh(1, low, pteHigh(mfn));
  const { words } = host.memory;
  const oldLow = words[entry] as number;
  const oldHigh = words[entry + 1] as number;
  const table = tableOf(host, entry);
  host.tables.store(table, entry, adjustLow(1, low, high), high);
  host.tables.putEntry(1, oldLow, oldHigh, table, domid);
  return GNTST_okay;
};

/**
 * Takes a mapping away again: the entry must still name the frame, as writable as it was mapped. The entry becomes 0, or that of
 * `replacement`, which then becomes 0 (GNTTABOP_unmap_and_replace). The mapper's TLBs are emptied.
 * @returns GNTST_okay, or GNTST_general_error with nothing changed
 */
export const destroyGrantHostMapping = (
  vcpu: MemoryVcpu,
  at: HostAddress,
  mfn: number,
  replacement?: HostAddress,
): number => {
  const { host, domid } = vcpu.domain;
  const { words } = host.memory;
  const entry = entryOf(vcpu, at);
  const other = replacement === undefined ? -1 : entryOf(vcpu, replacement);
  if (entry < 0 || (replacement !== undefined && (other < 0 || other === entry))) {
    return GNTST_general_error;
  }
  const low = words[entry] as number;
  const high = words[entry + 1] as number;
  const wanted = PTE_PRESENT | ((at.flags & GNTMAP_readonly) === 0 ? PTE_RW : 0);
  const matches = (low & (PTE_PRESENT | PTE_RW)) === wanted && pteFrame(low, high) === mfn;
  if (!matches) return GNTST_general_error;
  const table = tableOf(host, entry);
  if (other < 0) host.tables.store(table, entry, 0, 0);
  else {
    host.tables.store(table, entry, words[other] as number, words[other + 1] as number);
    host.tables.store(tableOf(host, other), other, 0, 0);
  }
  for (const sibling of vcpu.domain.vcpus) sibling?.mmu.flush();
  host.tables.putEntry(1, low, high, table, domid);
  return GNTST_okay;
};
