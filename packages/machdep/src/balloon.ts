/*
 * The balloon (sys/arch/xen/xen/balloon.c): the domain gives pages back to Xen, and takes them again, as memory/target says.
 *
 *     inflate   free pages leave uvm; their P2M entries become invalid; their frames go to Xen      decrease_reservation
 *     deflate   pfns whose P2M entry is invalid get frames from Xen; the pages go to uvm            populate_physmap
 *
 * Which pages are with Xen is what the P2M says, but for those that a driver has lent: there is no list that could become stale. A step is one
 * macro-instruction, so that no save can see one half done: neither a frame that was given away nor a new one is ever kept
 * anywhere but in the P2M. NetBSD's can be suspended in the middle, and then gives back frames of the last host.
 *
 * The number of pseudo-physical pages, start_info.nr_pages, is not changed by this: it is how long the P2M is.
 */
import {
  call,
  done,
  goto,
  type Kern,
  kassert,
  PAGE_SIZE,
  PRI_KTHREAD,
  routine,
  type Text,
} from '@port-xen/kern';
import { bytes, cString, struct, textOf, u32, type View } from '@port-xen/layout';
import { INVALID_P2M_ENTRY, type Pmap, RESERVATION_MAX } from '@port-xen/pmap';
import type { Uvm } from '@port-xen/uvm';

/** Pages of one step. */
const BALLOON_DELTA = RESERVATION_MAX;
/** Pages that the kernel wants to have beyond those that make the page daemon work. */
const RESERVATION_MIN = 256;
/** Ticks until what could not be done is tried again. */
const RETRY_TICKS = 10;
const KIB_PER_PAGE = PAGE_SIZE / 1024;
const NODE = 'memory/target';
const VALUE_MAX = 32;

export const balloon_data = struct('balloon_data', {
  /** Pages that the domain is to have. */
  target: u32,
  /** Pages that are with Xen. */
  ballooned: u32,
  /** No page below is with Xen. */
  lowest: u32,
  /** What memory/target said last, KiB. */
  store_kib: u32,
});

const reading = struct('balloon_locals', { node: bytes(VALUE_MAX), value: bytes(VALUE_MAX) });
const working = struct('balloon_thread_locals', {
  /** Pages that were told last, and the target that was told to be out of reach. */
  told: u32,
  stuck: u32,
});

/** Where the balloon learns what is wanted. */
export interface BalloonStore {
  /** Notes a watch whose text is (argument, path): @returns what xs_watch takes */
  create(node: string, symbol: string, argument: number): number;
}

/** A driver that gives pages away for a time (page flipping): they have no frame, and are not the balloon's to fill. */
export interface PageLender {
  hasLent(pfn: number): boolean;
}

export class Balloon {
  readonly data: number;
  readonly kern: Kern;
  readonly pmap: Pmap;
  readonly uvm: Uvm;
  /** Undefined where there is no xenstore: then programs alone say what is wanted. */
  readonly watches: BalloonStore | undefined;
  readonly lender: PageLender | undefined;

  constructor(
    data: number,
    kern: Kern,
    pmap: Pmap,
    uvm: Uvm,
    watches?: BalloonStore,
    lender?: PageLender,
  ) {
    this.data = data;
    this.kern = kern;
    this.pmap = pmap;
    this.uvm = uvm;
    this.watches = watches;
    this.lender = lender;
  }

  get d(): View<typeof balloon_data> {
    return balloon_data.at(this.kern.cpu.memory, this.data);
  }

  /** Pages that the domain has. */
  get current(): number {
    return this.pmap.nrPages - this.d.ballooned;
  }

  /** Pages that it has to keep, at least. */
  get min(): number {
    return this.uvm.pages.d.freemin + RESERVATION_MIN;
  }

  /** Pages that it may have. */
  get max(): number {
    return this.pmap.nrPages;
  }

  /** Says how much memory there is to be. @param kib KiB; within what is possible */
  setTarget(kib: number): void {
    const pages = Math.floor(kib / KIB_PER_PAGE);
    this.d.target = Math.min(this.max, Math.max(this.min, pages));
    this.kern.sched.wakeup(this.data);
  }

  /** Gives pages to Xen, as many as can be spared. @returns how many */
  inflate(wanted: number): number {
    const { pages } = this.uvm;
    const pfns: number[] = [];
    while (pfns.length < Math.min(wanted, BALLOON_DELTA) && pages.spare > pages.d.freemin) {
      pfns.push(pages.pageAlloc());
    }
    if (pfns.length === 0) return 0;
    const refused = this.pmap.reservation.give(pfns);
    kassert(refused === 0, `balloon: Xen did not take ${refused} of ${pfns.length} pages`);
    const count = pfns.length;
    const { d } = this;
    d.ballooned += count;
    d.lowest = Math.min(d.lowest, ...pfns);
    return count;
  }

  /** Takes pages from Xen. @returns how many it gave */
  deflate(wanted: number): number {
    const { d, pmap } = this;
    const pfns: number[] = [];
    const count = Math.min(wanted, BALLOON_DELTA, d.ballooned);
    for (let pfn = d.lowest; pfns.length < count && pfn < pmap.nrPages; pfn++) {
      if (this.#isBallooned(pfn)) pfns.push(pfn);
    }
    const given = pmap.reservation.take(pfns);
    for (const pfn of pfns.slice(0, given)) {
      this.uvm.pages.pageFree(pfn);
      d.lowest = pfn + 1;
    }
    d.ballooned -= given;
    return given;
  }

  #isBallooned(pfn: number): boolean {
    const isOut = this.pmap.mfnOf(pfn * PAGE_SIZE) === INVALID_P2M_ENTRY;
    return isOut && this.lender?.hasLent(pfn) !== true;
  }
}

export const balloonText: Text<Balloon> = {
  /** (bus): balloon0, its watch and its lwp. */
  balloon_attach: routine(reading, {
    start: (m, _, bus) => {
      const { autoconf, sched, cpu } = m.kern;
      const { d } = m;
      d.target = m.pmap.nrPages;
      d.lowest = m.pmap.nrPages;
      d.store_kib = m.pmap.nrPages * KIB_PER_PAGE;
      autoconf.pmfRegister(autoconf.attach('balloon0', bus, 0), 0, 0);
      sched.create('xen_balloon', cpu.sym('balloon_thread'), 0, PRI_KTHREAD);
      if (m.watches === undefined) return done();
      return call('done', cpu.sym('xs_watch'), m.watches.create(NODE, 'balloon_xenbus_watcher', 0));
    },
    done: () => done(),
  }),

  /** The watch on memory/target. */
  balloon_xenbus_watcher: routine(reading, {
    start: (m, l) => {
      l.node = cString(NODE);
      const value = l.address + reading.offset.value;
      return call('read', m.kern.cpu.sym('xs_read'), 0, l.address, value, VALUE_MAX);
    },
    read: (m, l, length) => {
      const kib = Number(textOf(l.value));
      if (length <= 0 || !Number.isSafeInteger(kib) || kib <= 0) return done();
      // A watch fires when it is registered, too: what the node said before is not said again.
      if (kib !== m.d.store_kib) m.setTarget(kib);
      m.d.store_kib = kib;
      return done();
    },
  }),

  /** Steps until there is as much memory as there is to be. */
  balloon_thread: routine(working, {
    look: (m, l) => {
      const { d, current, kern } = m;
      if (current === d.target) {
        if (l.told !== current) {
          kern.msgbuf.printf(`balloon0: ${current * KIB_PER_PAGE} KiB\n`);
          l.told = current;
        }
        return call('look', kern.cpu.sym('tsleep'), m.data, 0);
      }
      const moved =
        current > d.target ? m.inflate(current - d.target) : m.deflate(d.target - current);
      if (moved === 0) return goto('stuck');
      l.told = 0;
      return call('look', kern.cpu.sym('yield'));
    },
    /** No page is free here, or none is left on the host: the page daemon may help the one, time the other. */
    stuck: (m, l) => {
      const { current, d, kern } = m;
      if (l.stuck !== d.target) {
        const target = d.target * KIB_PER_PAGE;
        kern.msgbuf.printf(
          `balloon0: ${current * KIB_PER_PAGE} KiB, ${target} KiB cannot be had yet\n`,
        );
        l.stuck = d.target;
      }
      if (current > d.target) m.uvm.pages.want(BALLOON_DELTA);
      return call('look', kern.cpu.sym('tsleep'), m.data, RETRY_TICKS);
    },
  }),
};
