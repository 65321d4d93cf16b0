/*
 * Page faults (uvm_fault.c): a program touched a page that is not mapped, or not for what it wants to do.
 *
 *     behind it                      it wants to   answer
 *     nothing                                      EFAULT
 *     a kernel page (text)           read          mapped read-only
 *     nobody has touched it                        a zeroed page, an anon
 *     an anon in a swap slot                       read back, then again
 *     an anon, shared                write         a copy of its own
 *     an anon                                      mapped; to be stored to only when nobody else has it
 *
 * The lwp waits for pages and for the swap device here, so everything is looked up again after a wait.
 */
import {
  call,
  done,
  EFAULT,
  EIO,
  ENOMEM,
  goto,
  type Next,
  routine,
  type Text,
} from '@port-xen/kern';
import { i64, struct, u32, type View } from '@port-xen/layout';
import type { Uvm } from './uvm.ts';
import {
  AN_BUSY,
  type MapEntry,
  ME_WRITE,
  PAGE_SIZE,
  uvm_waiter,
  type Vmspace,
} from './uvm-data.ts';

/** Pages that a fault takes at most, tables aside: the page, and one for anons. */
const FAULT_PAGES = 2;
/** Virtual time of filling a page. */
const FILL_NS = 500;

const faulting = struct('uvm_fault_locals', {
  vm: i64,
  va: i64,
  write: u32,
  pad: u32,
  anon: i64,
  page: i64,
});

type Locals = View<typeof faulting>;

/** Where the page of the running lwp's fault is while it comes in. The first addresses are the page daemon's. */
export const PAGER_CLUSTER = 11;
const pagerVa = (m: Uvm): number =>
  m.swap.d.pager_map + (PAGER_CLUSTER + m.kern.sched.curlwp.l_lid) * PAGE_SIZE;

const writable = (e: MapEntry): boolean => (e.me_flags & ME_WRITE) !== 0;

/** A new anon with a page at the faulting address. @returns undefined when there is no memory */
const newPage = (m: Uvm, l: Locals): { pfn: number; index: number } | undefined => {
  const pfn = m.pages.pageAllocUser();
  if (pfn < 0) return undefined;
  const index = m.anons.alloc(pfn, l.va);
  if (index >= 0) return { pfn, index };
  m.pages.pageFree(pfn);
  return undefined;
};

/** Nobody has touched the page before. */
const zeroFill = (m: Uvm, l: Locals, vm: Vmspace, e: MapEntry): Next => {
  const made = newPage(m, l);
  if (made === undefined) return goto('short');
  m.pmap.clearPage(made.pfn * PAGE_SIZE);
  m.maps.setAnon(e, l.va, made.index);
  m.pmap.users.enter(vm.vm_pmap, l.va, made.pfn * PAGE_SIZE, writable(e));
  m.cpu.spend(FILL_NS);
  return done();
};

/** The page is shared with another address space, and is to be stored to here. */
const copyOnWrite = (m: Uvm, l: Locals, vm: Vmspace, e: MapEntry, old: number): Next => {
  const made = newPage(m, l);
  if (made === undefined) return goto('short');
  m.pmap.copyPage((m.anons.at(old).an_page - 1) * PAGE_SIZE, made.pfn * PAGE_SIZE);
  m.maps.setAnon(e, l.va, made.index);
  m.pmap.users.enter(vm.vm_pmap, l.va, made.pfn * PAGE_SIZE, true);
  m.anons.release(old);
  m.cpu.spend(FILL_NS);
  return done();
};

/** The page comes back from the swap device; whoever else wants it waits. */
const pageIn = (m: Uvm, l: Locals, index: number): Next => {
  const pfn = m.pages.pageAllocUser();
  if (pfn < 0) return goto('short');
  const anon = m.anons.at(index);
  const slot = anon.an_swslot - 1;
  anon.an_flags |= AN_BUSY;
  l.anon = index;
  l.page = pfn;
  m.swap.d.sw_pageins++;
  m.pmap.kenterPa(pagerVa(m), pfn * PAGE_SIZE, true);
  const dev = m.kern.cdevsw.at(m.swap.deviceOf(slot).swd_cdev);
  return call('arrived', dev.d_read, dev.d_softc, m.swap.offsetOf(slot), pagerVa(m), PAGE_SIZE);
};

const resolve = (m: Uvm, l: Locals): Next => {
  const vm = m.maps.at(l.vm);
  const e = m.maps.permitted(vm, l.va, l.write !== 0);
  if (e === undefined) return done(EFAULT);
  // Whatever is mapped may need page tables, which are the kernel's.
  if (m.pages.isLow) return goto('short');
  if (e.me_object >= 0) {
    m.pmap.users.enter(vm.vm_pmap, l.va, e.me_object + (l.va - e.me_start), false);
    return done();
  }
  const index = m.maps.anonAt(e, l.va);
  if (index < 0) return zeroFill(m, l, vm, e);
  const anon = m.anons.at(index);
  if ((anon.an_flags & AN_BUSY) !== 0) {
    return call('try', m.cpu.sym('tsleep'), anon.address, 0);
  }
  if (anon.an_page === 0) return pageIn(m, l, index);
  if (l.write !== 0 && anon.an_ref > 1) return copyOnWrite(m, l, vm, e, index);
  const alone = writable(e) && anon.an_ref === 1;
  m.pmap.users.enter(vm.vm_pmap, l.va, (anon.an_page - 1) * PAGE_SIZE, alone);
  return done();
};

/** Whether so many pages could come to be free: programs' pages go to swap, as many as there is room for. */
const mayCome = (m: Uvm, pages: number): boolean => {
  const { d, spare } = m.swap;
  if (d.sw_ndev === 0) return false;
  // Where one page is wanted, the page daemon knows best: it sees what is on its way.
  const can = Math.min(m.anons.resident, spare + d.sw_busy);
  return pages <= FAULT_PAGES || m.pages.couldSpare(pages, can);
};

export const faultText: Text<Uvm> = {
  /**
   * (pages): waits until there are so many for the caller alone, which takes them at once (`inTurn`); whoever asked before comes first.
   * @returns 0, ENOMEM when there will never be so many
   */
  uvm_wait: routine(uvm_waiter, {
    start: (m, l, pages) => {
      if (!mayCome(m, pages)) return done(ENOMEM);
      l.w_pages = pages;
      m.pages.waiters.add(l.address);
      m.pages.wakeDaemon();
      return goto('look');
    },
    look: (m, l) => {
      const { waiters } = m.pages;
      if (l.w_refused !== 0) return done(ENOMEM);
      if (!waiters.isFirst(l.address) || !m.pages.isFirstServed) {
        return call('look', m.cpu.sym('tsleep'), l.address, 0);
      }
      waiters.remove(l.address);
      // What is left may be enough for the next one, who looks when these have been taken.
      waiters.wakeFirst();
      return done();
    },
  }),

  /** (vmspace, address, write): @returns 0, EFAULT, ENOMEM when there is neither memory nor swap, EIO */
  uvm_fault: routine(faulting, {
    start: (_, l, vm, va, write) => {
      l.vm = vm;
      l.va = Math.floor(va / PAGE_SIZE) * PAGE_SIZE;
      l.write = write;
      return goto('try');
    },
    try: resolve,

    /** There is no page: the page daemon makes one free. */
    short: (m) => call('waited', m.cpu.sym('uvm_wait'), FAULT_PAGES),
    waited: (m, l, error) => (error === 0 ? m.pages.inTurn(() => resolve(m, l)) : done(error)),

    arrived: (m, l, result) => {
      const anon = m.anons.at(l.anon);
      m.pmap.kremove(pagerVa(m));
      if (result === PAGE_SIZE) {
        // The page may be stored to from now on, so that the slot holds nothing of worth.
        anon.an_page = l.page + 1;
        m.swap.free(anon.an_swslot - 1);
        anon.an_swslot = 0;
      } else {
        const disk = m.swapName(anon.an_swslot - 1);
        m.kern.msgbuf.printf(`uvm_fault: swap read from ${disk} failed: ${result}\n`);
        m.pages.pageFree(l.page);
      }
      m.anons.settle(l.anon);
      return result === PAGE_SIZE ? goto('try') : done(EIO);
    },
  }),
};
