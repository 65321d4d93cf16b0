/*
 * User address spaces (sys/arch/x86/x86/pmap.c with Xen's rules): an L4 of its own, pinned, that Xen switches to when the program
 * runs; and, while the space is current, its slots in the kernel's L4, so that the kernel reaches the program's memory.
 *
 *     pm_pdirpa ── L4 ──┐
 *                       ├── L3 (pm_top) ── L2 ── L1 ── pages that uvm gives and takes
 *     kernel L4 ────────┘   while current
 *
 * The pages are uvm's; only the tables are the pmap's own.
 */
import {
  _PAGE_ACCESSED,
  _PAGE_PRESENT,
  _PAGE_RW,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_UNPIN_TABLE,
} from '@port-xen/abi';
import { type Cpu, kassert } from '@port-xen/kern';
import type { MmuOps, Pte } from './mmu-ops.ts';
import { NPMAP, NTOP, pmap, type UserPmap } from './pmap-data.ts';
import { PAGE_SIZE, PG_TABLE, pteMfn, SPAN, slotOf, userBits } from './pte.ts';

const ENTRIES = 512;

export class UserPmaps {
  readonly cpu: Cpu;
  readonly ops: MmuOps;

  constructor(cpu: Cpu, ops: MmuOps) {
    this.cpu = cpu;
    this.ops = ops;
  }

  #at(address: number): UserPmap {
    return pmap.at(this.cpu.memory, address);
  }

  /** pmap_create: an empty address space. @returns its address, 0 when there is no room */
  create(): number {
    const { d } = this.ops;
    for (let i = 0; i < NPMAP; i++) {
      const pm = d.pmaps.at(i);
      if (pm.pm_used !== 0) continue;
      this.cpu.memory.write(pm.address, new Uint8Array(pmap.size));
      pm.pm_used = 1;
      pm.pm_pdirpa = this.ops.newTable();
      this.ops.ext(MMUEXT_PIN_L4_TABLE, this.ops.mfnOf(pm.pm_pdirpa));
      return pm.address;
    }
    return 0;
  }

  /** pmap_enter: maps a page, in place of what may be there. */
  enter(address: number, va: number, pa: number, writable: boolean): void {
    const { ops } = this;
    let table = this.#l3Of(this.#at(address), va);
    for (let level = 3; level >= 2; level--) {
      const entry = ops.read(table, slotOf(va, level));
      if ((entry.low & _PAGE_PRESENT) !== 0) {
        table = ops.paOf(pteMfn(entry.low, entry.high));
        continue;
      }
      const next = ops.newTable();
      ops.update(table, slotOf(va, level), ops.mfnOf(next), PG_TABLE);
      table = next;
    }
    const old = ops.read(table, slotOf(va, 1));
    ops.update(table, slotOf(va, 1), ops.mfnOf(pa), userBits(writable));
    if ((old.low & _PAGE_PRESENT) !== 0) ops.invalidate(va);
  }

  /** pmap_remove of one page: nothing is mapped at an address any more. */
  remove(address: number, va: number): void {
    const table = this.#tableOf(this.#at(address), va);
    if (table < 0) return;
    const slot = slotOf(va, 1);
    if ((this.ops.read(table, slot).low & _PAGE_PRESENT) === 0) return;
    this.ops.update(table, slot, 0, 0);
    this.ops.invalidate(va);
  }

  /** pmap_protect(VM_PROT_READ): no page within [start, end) can be stored to. */
  protect(address: number, start: number, end: number): void {
    const pm = this.#at(address);
    const { memory } = this.cpu;
    for (let va = start; va < end; va = nextTable(va)) {
      const table = this.#tableOf(pm, va);
      if (table < 0) continue;
      const window = this.ops.look(table);
      const changes: Pte[] = [];
      const limit = Math.min(end, nextTable(va));
      for (let page = va; page < limit; page += PAGE_SIZE) {
        const slot = slotOf(page, 1);
        const low = memory.ld32(window + 8 * slot);
        if ((low & _PAGE_PRESENT) === 0 || (low & _PAGE_RW) === 0) continue;
        changes.push({ slot, low: low & ~_PAGE_RW, high: memory.ld32(window + 8 * slot + 4) });
      }
      this.ops.updateAll(table, changes);
    }
    this.ops.flush();
  }

  /** pmap_clear_reference of one page. @returns whether it was used since the last time */
  clearReference(address: number, va: number): boolean {
    const table = this.#tableOf(this.#at(address), va);
    if (table < 0) return false;
    const { slot, low, high } = this.ops.read(table, slotOf(va, 1));
    if ((low & _PAGE_PRESENT) === 0 || (low & _PAGE_ACCESSED) === 0) return false;
    this.ops.updateAll(table, [{ slot, low: low & ~_PAGE_ACCESSED, high }]);
    this.ops.invalidate(va);
    return true;
  }

  /** pmap_extract. @returns the frame that is mapped at an address and whether it may be stored to; undefined for none */
  lookup(address: number, va: number): { mfn: number; writable: boolean } | undefined {
    const table = this.#tableOf(this.#at(address), va);
    if (table < 0) return undefined;
    const { low, high } = this.ops.read(table, slotOf(va, 1));
    if ((low & _PAGE_PRESENT) === 0) return undefined;
    return { mfn: pteMfn(low, high), writable: (low & _PAGE_RW) !== 0 };
  }

  /** Physical address of the level-1 table for an address, -1 when there is none. */
  #tableOf(pm: UserPmap, va: number): number {
    let table = this.#topOf(pm, slotOf(va, 4));
    for (let level = 3; level >= 2 && table >= 0; level--) {
      const { low, high } = this.ops.read(table, slotOf(va, level));
      table = (low & _PAGE_PRESENT) === 0 ? -1 : this.ops.paOf(pteMfn(low, high));
    }
    return table;
  }

  /** The L3 that an L4 slot names, -1 for none. */
  #topOf(pm: UserPmap, slot: number): number {
    for (let i = 0; i < pm.pm_ntop; i++) {
      const t = pm.pm_top.at(i);
      if (t.slot === slot) return t.l3pa;
    }
    return -1;
  }

  /** The L3 for an address, made when missing and noted, so that the kernel's L4 can be given it. */
  #l3Of(pm: UserPmap, va: number): number {
    const { ops } = this;
    const slot = slotOf(va, 4);
    const known = this.#topOf(pm, slot);
    if (known >= 0) return known;
    kassert(pm.pm_ntop < NTOP, `pmap: expected at most ${NTOP} L4 slots in a user address space`);
    const l3pa = ops.newTable();
    const t = pm.pm_top.at(pm.pm_ntop++);
    t.slot = slot;
    t.l3pa = l3pa;
    ops.update(pm.pm_pdirpa, slot, ops.mfnOf(l3pa), PG_TABLE);
    if (ops.d.active === pm.address) this.#sync(pm);
    return l3pa;
  }

  /** pmap_activate: the space's slots in the kernel's L4 (xen_kpm_sync), and its own L4 for the program. */
  activate(address: number): void {
    const { ops } = this;
    const { d } = ops;
    const pm = this.#at(address);
    if (d.active !== address) {
      if (d.active !== 0) this.#unsync(this.#at(d.active));
      d.active = address;
      this.#sync(pm);
    }
    ops.ext(MMUEXT_NEW_USER_BASEPTR, ops.mfnOf(pm.pm_pdirpa));
  }

  #sync(pm: UserPmap): void {
    const { ops } = this;
    const entries = Array.from({ length: pm.pm_ntop }, (_, i) => pm.pm_top.at(i));
    for (const t of entries) ops.update(ops.d.kpm_pdirpa, t.slot, ops.mfnOf(t.l3pa), PG_TABLE);
  }

  #unsync(pm: UserPmap): void {
    for (let i = 0; i < pm.pm_ntop; i++) {
      this.ops.update(this.ops.d.kpm_pdirpa, pm.pm_top.at(i).slot, 0, 0);
    }
  }

  /** pmap_destroy: every table goes back to uvm. The pages that they mapped are the caller's. */
  destroy(address: number): void {
    const { ops } = this;
    const { d } = ops;
    const pm = this.#at(address);
    if (d.active === address) {
      this.#unsync(pm);
      d.active = 0;
      ops.ext(MMUEXT_NEW_USER_BASEPTR, 0);
      ops.flush();
    }
    // Nothing refers to the tree after this: its tables are ordinary pages.
    ops.ext(MMUEXT_UNPIN_TABLE, ops.mfnOf(pm.pm_pdirpa));
    for (let i = 0; i < pm.pm_ntop; i++) this.#freeTree(pm.pm_top.at(i).l3pa, 3);
    ops.freeTable(pm.pm_pdirpa);
    pm.pm_used = 0;
  }

  #freeTree(table: number, level: number): void {
    const { ops } = this;
    if (level > 1) {
      const entries = new Uint8Array(PAGE_SIZE);
      this.cpu.memory.read(ops.look(table), entries);
      const words = new DataView(entries.buffer);
      for (let slot = 0; slot < ENTRIES; slot++) {
        const low = words.getInt32(8 * slot, true);
        if ((low & _PAGE_PRESENT) === 0) continue;
        this.#freeTree(ops.paOf(pteMfn(low, words.getInt32(8 * slot + 4, true))), level - 1);
      }
    }
    ops.freeTable(table);
  }
}

/** The first address that another level-1 table maps. */
const nextTable = (va: number): number => (Math.floor(va / SPAN[2]) + 1) * SPAN[2];
