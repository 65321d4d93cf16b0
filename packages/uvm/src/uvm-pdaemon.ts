/*
 * The page daemon (uvm_pdaemon.c): writes pages of programs to the swap device while memory is short.
 *
 *     hand ─► anons in turn: in a page, not wired, not on its way, not used since ─► a cluster of eleven, what one request moves
 *     cluster: unmapped everywhere, busy, slots in a row ─► written ─► pages free
 *
 * Whoever touches a page on its way waits until it has arrived. A domain may be saved meanwhile: the write is the driver's to
 * finish or to issue again, and what is to be done after it is on this lwp's stack.
 */
import { call, done, goto, leaf, NLWP, routine, type Text } from '@port-xen/kern';
import { array, struct, u32, type View } from '@port-xen/layout';
import type { Uvm } from './uvm.ts';
import { AN_BUSY, type Anon, PAGE_SIZE } from './uvm-data.ts';
import { PAGER_CLUSTER } from './uvm-fault.ts';
import { clearReference, unmapAnon } from './uvm-share.ts';

/** Ticks that the daemon rests when there is nothing that it could write. */
const REST_TICKS = 5;
/** Rests in a row after which one of those that wait is told that there is no memory. */
const PATIENCE = 3;
/** Twice around, what was used lately goes too. */
const SWEEPS = 2;

const daemon = struct('uvm_pageout_locals', {
  count: u32,
  slot: u32,
  /** Rests since something was written. */
  stuck: u32,
  pad: u32,
  cluster: array(u32, PAGER_CLUSTER),
});

type Locals = View<typeof daemon>;

const isCandidate = (anon: Anon): boolean =>
  anon.an_ref > 0 && anon.an_page !== 0 && anon.an_wire === 0 && (anon.an_flags & AN_BUSY) === 0;

/** Takes the next anons that can go and that nobody has used since the hand was here last. */
const gather = (m: Uvm, l: Locals): void => {
  const { d } = m.anons;
  l.count = 0;
  const { slot, count } = m.swap.alloc(PAGER_CLUSTER);
  for (let looked = 0; looked < SWEEPS * d.nanon && l.count < count; looked++) {
    const index = d.hand % d.nanon;
    d.hand = index + 1;
    if (!isCandidate(m.anons.at(index)) || clearReference(m.maps, index)) continue;
    l.cluster.set(l.count++, index);
    // Taken at once: the hand may come by again.
    m.anons.at(index).an_flags |= AN_BUSY;
  }
  for (let i = l.count; i < count; i++) m.swap.free(slot + i);
  l.slot = slot;
};

/** Nobody reaches the pages any more but the device. */
const send = (m: Uvm, l: Locals): void => {
  const { d } = m.swap;
  for (let i = 0; i < l.count; i++) {
    const index = l.cluster.get(i);
    const anon = m.anons.at(index);
    unmapAnon(m.maps, index);
    anon.an_swslot = l.slot + i + 1;
    m.pmap.kenterPa(d.pager_map + i * PAGE_SIZE, (anon.an_page - 1) * PAGE_SIZE, false);
  }
  d.sw_busy += l.count;
  d.sw_pageouts += l.count;
};

/** What was written needs no page; what could not be written keeps it. */
const arrive = (m: Uvm, l: Locals, written: boolean): void => {
  const { d } = m.swap;
  for (let i = 0; i < l.count; i++) {
    const index = l.cluster.get(i);
    const anon = m.anons.at(index);
    m.pmap.kremove(d.pager_map + i * PAGE_SIZE);
    if (written) {
      m.pages.pageFree(anon.an_page - 1);
      anon.an_page = 0;
    } else anon.an_swslot = 0;
    m.anons.settle(index);
  }
  d.sw_busy -= l.count;
};

/** The slots are bad. It is told of a device once: a disk that fails does so again and again. */
const tell = (m: Uvm, l: Locals, result: number): void => {
  let first = false;
  for (let i = 0; i < l.count; i++) first = m.swap.markBad(l.slot + i) || first;
  if (!first) return;
  m.kern.msgbuf.printf(`pagedaemon: swap write to ${m.swapName(l.slot)} failed: ${result}\n`);
};

export const pdaemonText: Text<Uvm> = {
  /** (cdev, size): pages go to this device, too, from now on. @returns how many it has room for */
  uvm_swap_on: leaf((m, cdev, size) => {
    const { d } = m.swap;
    if (d.sw_ndev === 0) {
      d.pager_map = m.kmAllocVa(PAGER_CLUSTER + NLWP + 1);
      m.kern.sched.create('pagedaemon', m.cpu.sym('uvm_pageout'), 0);
    }
    m.kern.cdevsw.at(cdev).d_held = 1;
    return m.swap.on(cdev, size);
  }),

  uvm_pageout: routine(daemon, {
    rest: (m) =>
      m.pages.isShort(false)
        ? goto('work')
        : call('rest', m.cpu.sym('tsleep'), m.pages.daemonChannel, 0),
    work: (m, l) => {
      if (!m.pages.isShort(true)) return goto('rest');
      gather(m, l);
      if (l.count === 0) return goto('stuck');
      send(m, l);
      const sdp = m.swap.deviceOf(l.slot);
      const dev = m.kern.cdevsw.at(sdp.swd_cdev);
      const length = l.count * PAGE_SIZE;
      const offset = m.swap.offsetOf(l.slot);
      return call('sent', dev.d_write, dev.d_softc, offset, m.swap.d.pager_map, length);
    },
    sent: (m, l, result) => {
      const written = result === l.count * PAGE_SIZE;
      arrive(m, l, written);
      if (!written) {
        tell(m, l, result);
        return goto('stuck');
      }
      l.stuck = 0;
      return goto('work');
    },
    /** Nothing could be written. What is on its way may arrive, a program may end; but who waits does not wait for ever. */
    stuck: (m, l) => {
      if (m.pages.waiters.none) return call('rest', m.cpu.sym('tsleep'), m.pages.daemonChannel, 0);
      if (!m.pages.isFirstServed && ++l.stuck === PATIENCE) {
        l.stuck = 0;
        m.pages.waiters.refuse();
      }
      return call('work', m.cpu.sym('tsleep'), l.address, REST_TICKS);
    },
    never: () => done(),
  }),
};
