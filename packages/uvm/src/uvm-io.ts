/*
 * Memory of programs that the kernel or a device is about to use (uvm_vslock, uvm_io.c): faulted in, page by page, and wired, so
 * that no page leaves before it is let go. And strings that come in.
 */
import {
  call,
  copyinstr,
  done,
  EFAULT,
  goto,
  routine,
  type Text,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { cString, i64, struct, u32, u64, type View } from '@port-xen/layout';
import type { Uvm } from './uvm.ts';
import { PAGE_SIZE, type Vmspace } from './uvm-data.ts';

const locking = struct('uvm_vslock_locals', {
  start: i64,
  /** The first page that is not wired yet. */
  at: i64,
  end: i64,
  write: u32,
  pad: u32,
});
const copying = struct('uvm_copyinstr_locals', { from: i64, to: i64, max: u64, page: i64 });

const trunc = (va: number): number => Math.floor(va / PAGE_SIZE) * PAGE_SIZE;

const currentSpace = (m: Uvm): Vmspace => m.maps.at(m.kern.syscalls.curproc.p_vmspace);

/** Whether the running program could touch the page without a fault. */
const isThere = (m: Uvm, vm: Vmspace, va: number, write: boolean): boolean => {
  const mapping = m.pmap.users.lookup(vm.vm_pmap, va);
  return mapping !== undefined && (mapping.writable || !write);
};

const wire = (m: Uvm, vm: Vmspace, va: number, by: number): void => {
  const e = m.maps.lookup(vm, va);
  if (e === undefined || e.me_object >= 0) return;
  m.anons.at(m.maps.anonAt(e, va)).an_wire += by;
};

const unwire = (m: Uvm, start: number, end: number): void => {
  const vm = currentSpace(m);
  for (let va = trunc(start); va < end; va += PAGE_SIZE) wire(m, vm, va, -1);
};

/** Wires pages as far as they are there. */
const wireThere = (m: Uvm, l: View<typeof locking>): void => {
  const vm = currentSpace(m);
  while (l.at < l.end && isThere(m, vm, l.at, l.write !== 0)) {
    wire(m, vm, l.at, 1);
    l.at += PAGE_SIZE;
  }
};

export const ioText: Text<Uvm> = {
  /** (address, length, write) of the running program: wires as much as there is. @returns how many bytes that is */
  uvm_vslock: routine(locking, {
    start: (_, l, address, length, write) => {
      if (address < 0 || address + length > VM_MAXUSER_ADDRESS) return done(0);
      l.start = address;
      l.at = trunc(address);
      l.end = address + length;
      l.write = write;
      return goto('next');
    },
    next: (m, l) => {
      wireThere(m, l);
      if (l.at >= l.end) return done(l.end - l.start);
      return call('faulted', m.cpu.sym('uvm_fault'), currentSpace(m).address, l.at, l.write);
    },
    faulted: (_, l, error) => {
      if (error === 0) return goto('next');
      return done(Math.max(0, l.at - l.start));
    },
  }),

  /** (address, length): what uvm_vslock has wired. */
  uvm_vsunlock: routine(locking, {
    start: (m, _, address, length) => {
      unwire(m, address, address + length);
      return done();
    },
  }),

  /** (from, to, max): a NUL-terminated string of at most max - 1 bytes of the running program, to kernel memory. @returns its length or -EFAULT */
  uvm_copyinstr: routine(copying, {
    start: (_, l, from, to, max) => {
      l.from = from;
      l.to = to;
      l.max = max;
      l.page = trunc(from);
      return goto('copy');
    },
    copy: (m, l) => {
      const text = copyinstr(m.cpu, l.from, l.max);
      if (text !== undefined) {
        m.cpu.memory.write(l.to, cString(text));
        return done(text.length);
      }
      // The string is too long, or goes on in a page that is not there: pages are asked for until it is one or the other.
      const vm = currentSpace(m);
      const end = l.from + l.max;
      while (l.page < end && isThere(m, vm, l.page, false)) l.page += PAGE_SIZE;
      if (l.from < 0 || l.page >= end) return done(-EFAULT);
      return call('faulted', m.cpu.sym('uvm_fault'), vm.address, l.page, 0);
    },
    faulted: (_, __, error) => (error === 0 ? goto('copy') : done(-EFAULT)),
  }),
};
