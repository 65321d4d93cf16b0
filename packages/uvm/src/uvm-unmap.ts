/*
 * How memory of an address space is given up (uvm_unmap): ranges, cut where they have to be, and whole spaces.
 */
import { kassert } from '@port-xen/kern';
import { type MapEntry, ME_WRITE, PAGE_SIZE, type Vmspace } from './uvm-data.ts';
import type { Maps } from './uvm-map.ts';

/** Virtual time for each page that is looked at. */
const PAGE_NS = 10;

/** Splits an entry in two at an address within it. @returns false when there is no room or memory for the second */
const clip = (maps: Maps, vm: Vmspace, e: MapEntry, at: number): boolean => {
  const second = maps.newEntry(vm, at, e.me_end, e.me_flags & ME_WRITE);
  if (second === undefined) return false;
  if (e.me_object >= 0) second.me_object = e.me_object + (at - e.me_start);
  else if (maps.addAmap(second)) {
    const { memory } = maps.cpu;
    const anons = new Uint8Array((4 * (e.me_end - at)) / PAGE_SIZE);
    memory.read(maps.slotOf(e, at), anons);
    memory.write(second.me_amap, anons);
    memory.write(maps.slotOf(e, at), new Uint8Array(anons.length));
  } else {
    second.me_flags = 0;
    return false;
  }
  e.me_end = at;
  return true;
};

/** @param mapped the space has page tables, which have to forget the pages */
const dropEntry = (maps: Maps, vm: Vmspace, e: MapEntry, mapped: boolean): void => {
  const { users } = maps.pmap;
  for (let va = e.me_start; va < e.me_end; va += PAGE_SIZE) {
    const index = e.me_object >= 0 ? -1 : maps.anonAt(e, va);
    if (mapped && (index >= 0 || e.me_object >= 0)) users.remove(vm.vm_pmap, va);
    if (index >= 0) maps.anons.release(index);
  }
  maps.cpu.spend(((e.me_end - e.me_start) / PAGE_SIZE) * PAGE_NS);
  if (e.me_amap !== 0) maps.km.kmFree(e.me_amap, e.me_amap_pages);
  e.me_flags = 0;
};

/** Kernel pages that {@link unmap} takes at most: the parts of what is cut have amaps of their own. */
export const clipCost = (maps: Maps, vm: Vmspace, start: number, end: number): number =>
  maps
    .entries(vm)
    .filter((e) => e.me_object < 0 && e.me_end > start && e.me_start < end)
    .map((e) => 2 * maps.costOf((e.me_end - e.me_start) / PAGE_SIZE))
    .reduce((most, cost) => Math.max(most, cost), 0);

/** uvm_unmap. @returns false when there is no memory to split an entry with */
export const unmap = (maps: Maps, vm: Vmspace, start: number, end: number): boolean => {
  for (const e of maps.entries(vm)) {
    if (e.me_end <= start || e.me_start >= end) continue;
    if (e.me_end > end && !clip(maps, vm, e, end)) return false;
    if (e.me_start >= start) dropEntry(maps, vm, e, true);
    else {
      if (!clip(maps, vm, e, start)) return false;
      const rest = maps.lookup(vm, start);
      if (rest !== undefined) dropEntry(maps, vm, rest, true);
    }
  }
  return true;
};

/** Takes the page tables from an address space that nobody runs in any more; its memory follows by {@link freeNext}. */
export const retire = (maps: Maps, vm: Vmspace): void => {
  kassert(vm.vm_pmap !== 0, 'uvm: an address space is retired twice');
  maps.pmap.users.destroy(vm.vm_pmap);
  vm.vm_pmap = 0;
};

/** uvmspace_free, a range at a time. @returns false when nothing is left and the space can be used again */
export const freeNext = (maps: Maps, vm: Vmspace): boolean => {
  const [e] = maps.entries(vm);
  if (e === undefined) {
    vm.vm_used = 0;
    return false;
  }
  dropEntry(maps, vm, e, false);
  return true;
};
