/*
 * What programs ask of their address space (uvm_mmap.c): zero-filled memory, and to be rid of it.
 */
import {
  call,
  done,
  EINVAL,
  ENOMEM,
  goto,
  leaf,
  routine,
  type Text,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { i64, struct, u32 } from '@port-xen/layout';
import type { Uvm } from './uvm.ts';
import { PAGE_SIZE } from './uvm-data.ts';
import { share } from './uvm-share.ts';
import { freeNext, retire, unmap } from './uvm-unmap.ts';

const MAP_FIXED = 0x10;
const MAP_ANON = 0x1000;

const mapping = struct('mmap_locals', { start: i64, pages: i64, tries: i64 });
/** How often a map that there is no memory for is tried; what is wrong may be something else. */
const MAP_TRIES_MAX = 5;
const sharing = struct('uvmspace_fork_locals', { from: i64, to: i64, entry: u32, tries: u32 });
/** Pages that a new address space may need at once, and how often somebody waits for them. */
const WANTED = 32;
const TRIES_MAX = 100;

export const mmapText: Text<Uvm> = {
  /** (address, length, protection, flags): MAP_ANON memory to load from and store to. @returns its address or -errno */
  sys_mmap: routine(mapping, {
    start: (m, l, address, length, _protection, flags) => {
      if ((flags & MAP_ANON) === 0 || length <= 0 || address % PAGE_SIZE !== 0) {
        return done(-EINVAL);
      }
      l.pages = Math.ceil(length / PAGE_SIZE);
      const vm = m.maps.at(m.kern.syscalls.curproc.p_vmspace);
      l.start = (flags & MAP_FIXED) !== 0 ? address : m.maps.findSpace(vm, l.pages);
      if (l.start < 0 || l.start + l.pages * PAGE_SIZE > VM_MAXUSER_ADDRESS) return done(-ENOMEM);
      return goto('map');
    },
    map: (m, l) => {
      const vm = m.maps.at(m.kern.syscalls.curproc.p_vmspace);
      if (m.maps.mapAnon(vm, l.start, l.pages)) return done(l.start);
      if (l.tries++ === MAP_TRIES_MAX) return done(-ENOMEM);
      return call('waited', m.cpu.sym('uvm_wait'), m.maps.costOf(l.pages));
    },
    waited: (_, __, error) => (error === 0 ? goto('map') : done(-ENOMEM)),
  }),

  /** (address, length). */
  sys_munmap: leaf((m, address, length) => {
    if (address < 0 || address % PAGE_SIZE !== 0 || length <= 0) return -EINVAL;
    const vm = m.maps.at(m.kern.syscalls.curproc.p_vmspace);
    const end = address + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    return unmap(m.maps, vm, address, end) ? 0 : -ENOMEM;
  }),

  /** (vmspace): a copy of an address space, copy-on-write. @returns its address, 0 when there is no room or memory */
  uvmspace_fork: routine(sharing, {
    start: (_, l, from) => {
      l.from = from;
      return goto('create');
    },
    create: (m, l) => {
      l.to = m.maps.create();
      return goto(l.to === 0 ? 'short' : 'share');
    },
    share: (m, l) => {
      const from = m.maps.at(l.from);
      const e = m.maps.entries(from)[l.entry];
      if (e === undefined) return done(l.to);
      if (!share(m.maps, from, e, m.maps.at(l.to))) return goto('short');
      l.entry++;
      return goto('share');
    },
    /** The page daemon makes room; without one, or when that does not help, what was shared is given back. */
    short: (m, l) =>
      l.tries++ < TRIES_MAX ? call('waited', m.cpu.sym('uvm_wait'), WANTED) : goto('give up'),
    waited: (_, l, error) => {
      if (error !== 0) return goto('give up');
      return goto(l.to === 0 ? 'create' : 'share');
    },
    'give up': (m, l) => (l.to === 0 ? done(0) : call('failed', m.cpu.sym('uvmspace_free'), l.to)),
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
