/*
 * sysctl(3): what is known here about the machine and its memory; the rest is asked of the clock's sys___sysctl.
 *
 *     kern.{ostype,osrelease,version}               text: the kernel's own notes, and its build id
 *     hw.{machine,machine_arch}                     text
 *     hw.ncpu                                       int: the one that this kernel uses
 *     hw.physmem                                    unsigned int, bytes; the largest there is when there are more
 *     hw.pagesize                                   int, bytes
 *     hw.physmem64                                  u64, bytes: as much as the domain may have
 *     vm.uvmexp2                                    { pagesize, npages, free, anons, swpages, swpginuse, pdpageouts, pageins }  u64 each
 *     machdep.xen.balloon.{current,target,min,max}  u64 each, KiB; target can be written
 */
import { XEN_ELFNOTE_GUEST_OS, XEN_ELFNOTE_GUEST_VERSION } from '@port-xen/abi';
import {
  call,
  copyin,
  copyout,
  done,
  EFAULT,
  EINVAL,
  ENOMEM,
  EPERM,
  ownBuildId,
  ownNote,
  routine,
  type Text,
} from '@port-xen/kern';
import { array, BytesMemory, cString, i64, ldU64, st64, struct } from '@port-xen/layout';
import { UVM_PAGE_SIZE } from '@port-xen/uvm';
import type { Machdep } from './machdep.ts';

const CTL_KERN = 1;
const KERN_OSTYPE = 1;
const KERN_OSRELEASE = 2;
const KERN_VERSION = 4;
const CTL_VM = 2;
const VM_UVMEXP2 = 5;
const CTL_HW = 6;
const HW_MACHINE = 1;
const HW_NCPU = 3;
const HW_PHYSMEM = 5;
const HW_PAGESIZE = 7;
const HW_MACHINE_ARCH = 10;
const HW_PHYSMEM64 = 13;
const CTL_MACHDEP = 7;
/** Nodes without a number of their own: these four follow each other. */
const BALLOON_CURRENT = 1030;
const BALLOON_TARGET = 1031;
const BALLOON_MAX = 1033;
const NAME_LENGTH = 2;
const UINT_MAX = 2 ** 32 - 1;
const KIB_PER_PAGE = UVM_PAGE_SIZE / 1024;

const NARG = 6;
const asking = struct('sysctl_locals', { args: array(i64, NARG) });

const words64 = (words: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(8 * words.length);
  words.forEach((word, i) => {
    st64(new BytesMemory(bytes), 8 * i, word);
  });
  return bytes;
};

const word32 = (word: number): Uint8Array => words64([word]).subarray(0, 4);

/** What kind of system this is. @returns undefined when it is not one of these */
const systemValue = (m: Machdep, top: number, node: number): Uint8Array | undefined => {
  if (top === CTL_KERN) {
    const { memory } = m.kern.cpu;
    const name = ownNote(memory, XEN_ELFNOTE_GUEST_OS);
    const release = ownNote(memory, XEN_ELFNOTE_GUEST_VERSION);
    if (node === KERN_OSTYPE) return cString(name);
    if (node === KERN_OSRELEASE) return cString(release);
    if (node !== KERN_VERSION) return undefined;
    return cString(`${name} ${release} (${m.startOfDay.magic}), build ${ownBuildId(memory)}`);
  }
  if (top !== CTL_HW) return undefined;
  if (node === HW_MACHINE) return cString('amd64');
  if (node === HW_MACHINE_ARCH) return cString('x86_64');
  if (node === HW_NCPU) return word32(1);
  if (node !== HW_PHYSMEM) return undefined;
  return word32(Math.min(m.pmap.nrPages * UVM_PAGE_SIZE, UINT_MAX));
};

/** A node's value. @returns undefined when it is not one of these */
const nodeValue = (m: Machdep, top: number, node: number): Uint8Array | undefined => {
  if (top === CTL_HW && node === HW_PAGESIZE) return word32(UVM_PAGE_SIZE);
  if (top === CTL_HW && node === HW_PHYSMEM64) return words64([m.pmap.nrPages * UVM_PAGE_SIZE]);
  if (top === CTL_VM && node === VM_UVMEXP2) {
    const { pages, anons, swap } = m.uvm;
    const { sw_slots, sw_inuse, sw_pageouts, sw_pageins } = swap.d;
    const memory = [UVM_PAGE_SIZE, m.balloon.current, pages.free, anons.d.inuse];
    return words64([...memory, sw_slots, sw_inuse, sw_pageouts, sw_pageins]);
  }
  if (top !== CTL_MACHDEP || node < BALLOON_CURRENT || node > BALLOON_MAX) {
    return systemValue(m, top, node);
  }
  const { current, min, max, d } = m.balloon;
  return words64([([current, d.target, min, max][node - BALLOON_CURRENT] ?? 0) * KIB_PER_PAGE]);
};

/** The two numbers of a name; undefined when it has not two, or is not there. */
const nameOf = (m: Machdep, name: number, length: number): [number, number] | undefined => {
  if (length !== NAME_LENGTH) return undefined;
  const path = copyin(m.kern.cpu, name, 4 * NAME_LENGTH);
  if (path === undefined) return undefined;
  const mib = new BytesMemory(path);
  return [mib.ld32(0), mib.ld32(4)];
};

export const sysctlText: Text<Machdep> = {
  /** (name, namelen, old, oldlen, new, newlen). */
  sysctl: routine(asking, {
    start: (m, _, ...args) => {
      const [name = 0, namelen = 0, old = 0, oldlen = 0, value = 0, valuelen = 0] = args;
      const { cpu } = m.kern;
      const path = nameOf(m, name, namelen);
      const found = path === undefined ? undefined : nodeValue(m, ...path);
      if (path === undefined || found === undefined) {
        return call('answered', cpu.sym('sys___sysctl'), ...args.slice(0, NARG));
      }
      if (value !== 0) {
        if (path[0] !== CTL_MACHDEP || path[1] !== BALLOON_TARGET) return done(-EPERM);
        const wanted = copyin(cpu, value, 8);
        if (wanted === undefined) return done(-EFAULT);
        if (valuelen !== 8) return done(-EINVAL);
        m.balloon.setTarget(ldU64(new BytesMemory(wanted), 0));
      }
      if (oldlen === 0) return done(0);
      const room = copyin(cpu, oldlen, 8);
      if (room === undefined) return done(-EFAULT);
      if (old !== 0) {
        if (ldU64(new BytesMemory(room), 0) < found.length) return done(-ENOMEM);
        if (!copyout(cpu, old, found)) return done(-EFAULT);
      }
      return done(copyout(cpu, oldlen, words64([found.length])) ? 0 : -EFAULT);
    },
    answered: (_, __, result) => done(result),
  }),
};
