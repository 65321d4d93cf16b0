/*
 * Memory that several address spaces have (uvm_amap.c): how they come to share it, and where it is in all of them. There are no lists
 * of mappings: an anon is at the same address wherever it is, so whoever looks for them looks there.
 */

import { type MapEntry, ME_WRITE, PAGE_SIZE, type Vmspace } from './uvm-data.ts';
import type { Maps } from './uvm-map.ts';

/** Virtual time for each page that is looked at when a space is copied. */
const PAGE_NS = 10;

/**
 * Shares an entry with a new address space (uvmspace_fork): every page copy-on-write from now on, in both.
 * @returns false when there is no memory for it
 */
export const share = (maps: Maps, from: Vmspace, e: MapEntry, to: Vmspace): boolean => {
  const copy = maps.newEntry(to, e.me_start, e.me_end, e.me_flags & ME_WRITE);
  if (copy === undefined) return false;
  copy.me_object = e.me_object;
  if (e.me_object >= 0) return true;
  if (!maps.addAmap(copy)) {
    copy.me_flags = 0;
    return false;
  }
  maps.pmap.users.protect(from.vm_pmap, e.me_start, e.me_end);
  for (let va = e.me_start; va < e.me_end; va += PAGE_SIZE) {
    const index = maps.anonAt(e, va);
    if (index < 0) continue;
    maps.anons.at(index).an_ref++;
    maps.setAnon(copy, va, index);
  }
  maps.cpu.spend(((e.me_end - e.me_start) / PAGE_SIZE) * PAGE_NS);
  return true;
};

/** The page tables of the spaces that have an anon. */
const pmapsOf = (maps: Maps, index: number): number[] => {
  const { an_va } = maps.anons.at(index);
  return maps
    .spaces()
    .filter((vm) => {
      const e = maps.lookup(vm, an_va);
      return e !== undefined && e.me_object < 0 && maps.anonAt(e, an_va) === index;
    })
    .map((vm) => vm.vm_pmap);
};

/** pmap_page_protect(VM_PROT_NONE): takes every mapping of an anon away. */
export const unmapAnon = (maps: Maps, index: number): void => {
  const { an_va } = maps.anons.at(index);
  for (const pmap of pmapsOf(maps, index)) maps.pmap.users.remove(pmap, an_va);
};

/** pmap_clear_reference, wherever an anon is. @returns whether anybody has used it since the last time */
export const clearReference = (maps: Maps, index: number): boolean => {
  const { an_va } = maps.anons.at(index);
  let used = false;
  for (const pmap of pmapsOf(maps, index)) {
    used = maps.pmap.users.clearReference(pmap, an_va) || used;
  }
  return used;
};
