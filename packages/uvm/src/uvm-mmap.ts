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
import { i64, struct, u64 } from '@port-xen/layout';
import type { Uvm } from './uvm.ts';
import { PAGE_SIZE } from './uvm-data.ts';

const MAP_FIXED = 0x10;
const MAP_ANON = 0x1000;

const sharing = struct('uvmspace_fork_locals', { from: i64, to: i64, entry: u64 });

export const mmapText: Text<Uvm> = {
  /** (address, length, protection, flags): MAP_ANON memory to load from and store to. @returns its address or -errno */
  sys_mmap: leaf((m, address, length, _protection, flags) => {
    if ((flags & MAP_ANON) === 0 || length <= 0 || address % PAGE_SIZE !== 0) return -EINVAL;
    const pages = Math.ceil(length / PAGE_SIZE);
    const vm = m.maps.at(m.kern.syscalls.curproc.p_vmspace);
    const start = (flags & MAP_FIXED) !== 0 ? address : m.maps.findSpace(vm, pages);
    if (start < 0 || start + pages * PAGE_SIZE > VM_MAXUSER_ADDRESS) return -ENOMEM;
    return m.maps.mapAnon(vm, start, pages) ? start : -ENOMEM;
  }),

  /** (address, length). */
  sys_munmap: leaf((m, address, length) => {
    if (address < 0 || address % PAGE_SIZE !== 0 || length <= 0) return -EINVAL;
    const vm = m.maps.at(m.kern.syscalls.curproc.p_vmspace);
    const end = address + Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    return m.maps.unmap(vm, address, end) ? 0 : -ENOMEM;
  }),

  /** (vmspace): a copy of an address space, copy-on-write. @returns its address, 0 when there is no room or memory */
  uvmspace_fork: routine(sharing, {
    start: (m, l, from) => {
      l.from = from;
      l.to = m.maps.create();
      return l.to === 0 ? done(0) : goto('share');
    },
    share: (m, l) => {
      const from = m.maps.at(l.from);
      const e = m.maps.entries(from)[l.entry];
      if (e === undefined) return done(l.to);
      l.entry++;
      if (m.maps.share(from, e, m.maps.at(l.to))) return goto('share');
      return call('failed', m.cpu.sym('uvmspace_free'), l.to);
    },
    failed: () => done(0),
  }),

  /** (vmspace): everything in it is given back. Nobody runs in it any more. */
  uvmspace_free: routine(sharing, {
    start: (m, l, vm) => {
      l.from = vm;
      m.maps.retire(m.maps.at(vm));
      return goto('next');
    },
    next: (m, l) => (m.maps.freeNext(m.maps.at(l.from)) ? goto('next') : done()),
  }),
};
