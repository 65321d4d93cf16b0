/*
 * What programs ask of their address space (uvm_mmap.c): zero-filled memory, and to be rid of it.
 */
import {
  call,
  done,
  EINVAL,
  ENOMEM,
  goto,
  type Next,
  routine,
  type Text,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { i64, struct, u32, type View } from '@port-xen/layout';
import type { Uvm } from './uvm.ts';
import { PAGE_SIZE, type Vmspace } from './uvm-data.ts';
import { SPACE_SPARE } from './uvm-map.ts';
import { share } from './uvm-share.ts';
import { clipCost, freeNext, retire, unmap } from './uvm-unmap.ts';

const MAP_FIXED = 0x10;
const MAP_ANON = 0x1000;

const mapping = struct('mmap_locals', { start: i64, pages: i64 });
const unmapping = struct('munmap_locals', { start: i64, end: i64 });
const sharing = struct('uvmspace_fork_locals', { from: i64, to: i64, entry: u32, pad: u32 });

const currentSpace = (m: Uvm): Vmspace => m.maps.at(m.kern.syscalls.curproc.p_vmspace);

/** Waits for memory, then goes on at `waited`. */
const wait = (m: Uvm, pages: number): Next => call('waited', m.cpu.sym('uvm_wait'), pages);

/** The next step of a fork. @returns whether it was taken */
const shareNext = (m: Uvm, l: View<typeof sharing>): boolean => {
  if (l.to === 0) {
    l.to = m.maps.create();
    return l.to !== 0;
  }
  const from = m.maps.at(l.from);
  const e = m.maps.entries(from)[l.entry];
  if (e === undefined || !share(m.maps, from, e, m.maps.at(l.to))) return false;
  l.entry++;
  return true;
};

/** What that step takes. */
const costOfNext = (m: Uvm, l: View<typeof sharing>): number => {
  const e = l.to === 0 ? undefined : m.maps.entries(m.maps.at(l.from))[l.entry];
  return e === undefined ? SPACE_SPARE : m.maps.costOf((e.me_end - e.me_start) / PAGE_SIZE);
};

export const mmapText: Text<Uvm> = {
  /** (address, length, protection, flags): MAP_ANON memory to load from and store to. @returns its address or -errno */
  sys_mmap: routine(mapping, {
    start: (m, l, address, length, _protection, flags) => {
      if ((flags & MAP_ANON) === 0 || length <= 0 || address % PAGE_SIZE !== 0) {
        return done(-EINVAL);
      }
      l.pages = Math.ceil(length / PAGE_SIZE);
      const vm = currentSpace(m);
      l.start = (flags & MAP_FIXED) !== 0 ? address : m.maps.findSpace(vm, l.pages);
      if (l.start < 0 || l.start + l.pages * PAGE_SIZE > VM_MAXUSER_ADDRESS) return done(-ENOMEM);
      if (m.maps.mapAnon(vm, l.start, l.pages)) return done(l.start);
      return wait(m, m.maps.costOf(l.pages));
    },
    /** With memory at hand it can still fail: something is there, or the space has no room for another range. */
    waited: (m, l, error) => {
      const mapped =
        error === 0 && m.pages.inTurn(() => m.maps.mapAnon(currentSpace(m), l.start, l.pages));
      return done(mapped ? l.start : -ENOMEM);
    },
  }),

  /** (address, length). Giving back the middle of a range takes memory. */
  sys_munmap: routine(unmapping, {
    start: (m, l, address, length) => {
      if (address < 0 || address % PAGE_SIZE !== 0 || length <= 0) return done(-EINVAL);
      l.start = address;
      l.end = address + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
      if (unmap(m.maps, currentSpace(m), l.start, l.end)) return done();
      return wait(m, clipCost(m.maps, currentSpace(m), l.start, l.end));
    },
    waited: (m, l, error) => {
      const gone =
        error === 0 && m.pages.inTurn(() => unmap(m.maps, currentSpace(m), l.start, l.end));
      return done(gone ? 0 : -ENOMEM);
    },
  }),

  /** (vmspace): a copy of an address space, copy-on-write. @returns its address, 0 when there is no room or memory */
  uvmspace_fork: routine(sharing, {
    start: (_, l, from) => {
      l.from = from;
      return goto('share');
    },
    share: (m, l) => {
      if (l.to !== 0 && l.entry === m.maps.entries(m.maps.at(l.from)).length) return done(l.to);
      return shareNext(m, l) ? goto('share') : wait(m, costOfNext(m, l));
    },
    waited: (m, l, error) => {
      const taken = error === 0 && m.pages.inTurn(() => shareNext(m, l));
      if (taken) return goto('share');
      return l.to === 0 ? done(0) : call('failed', m.cpu.sym('uvmspace_free'), l.to);
    },
    failed: () => done(0),
  }),

  /** (vmspace): everything in it is given back. Nobody runs in it any more. */
  uvmspace_free: routine(sharing, {
    start: (m, l, vm) => {
      l.from = vm;
      retire(m.maps, m.maps.at(vm));
      return goto('next');
    },
    next: (m, l) => (freeNext(m.maps, m.maps.at(l.from)) ? goto('next') : done()),
  }),
};
