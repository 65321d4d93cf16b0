/*
 * Power management (pmf(9), kern_pmf.c): all devices suspended leaf to root, resumed root to leaf, in attach order
 * within one depth.
 *
 * Unlike NetBSD's, a driver that refuses stops the suspend, and what was suspended is resumed in the resume order;
 * a device without handlers stops it before anything was done.
 */
import { i32, i64, struct, u32 } from '@port-xen/layout';
import { type Autoconf, type Device, DVF_ACTIVE, DVF_PMF, NDEVICE } from './autoconf.ts';
import type { Msgbuf } from './msgbuf.ts';
import { call, done, goto, routine, type Text } from './text.ts';

const walk = struct('pmf_walk', {
  depth: i32,
  pad: u32,
  device: i64,
  result: u32,
  cancelled: u32,
});

const DEPTH_MAX = 8;

/** What power management needs of the kernel. */
export interface Pmf {
  readonly autoconf: Autoconf;
  readonly msgbuf: Msgbuf;
}

/** The first device of a depth that is in the wanted state: those that the walk has met are not, any more. */
const nextOf = (m: Pmf, depth: number, active: boolean): Device | undefined => {
  const d = m.autoconf.d;
  for (let i = 0; i < Math.min(d.ndevices, NDEVICE); i++) {
    const dv = d.alldevs.at(i);
    const isActive = (dv.dv_flags & DVF_ACTIVE) !== 0;
    if (dv.dv_flags !== 0 && dv.dv_depth === depth && isActive === active) return dv;
  }
  return undefined;
};

export const pmfText: Text<Pmf> = {
  /** @returns 1, or 0 when a device refused (everything is active again) */
  pmf_system_suspend: routine(walk, {
    check: (m, l) => {
      for (const dv of m.autoconf.devices()) {
        if ((dv.dv_flags & DVF_PMF) !== 0) continue;
        m.msgbuf.printf(`pmf: ${m.autoconf.nameOf(dv)} does not say how it is suspended\n`);
        return done(0);
      }
      l.depth = DEPTH_MAX;
      return goto('next');
    },
    next: (m, l) => {
      const dv = nextOf(m, l.depth, true);
      if (dv === undefined) {
        l.depth--;
        return l.depth < 0 ? done(1) : goto('next');
      }
      l.device = dv.address;
      if (dv.dv_driver_suspend === 0) return goto('suspended');
      return call('answered', dv.dv_driver_suspend, dv.dv_private);
    },
    answered: (m, l, result) => {
      if (result !== 0) return goto('suspended');
      const dv = m.autoconf.at(l.device);
      m.msgbuf.printf(`${m.autoconf.nameOf(dv)}: refuses to be suspended\n`);
      return call('undone', m.autoconf.cpu.sym('pmf_system_resume'), 1);
    },
    suspended: (m, l) => {
      m.autoconf.at(l.device).dv_flags &= ~DVF_ACTIVE;
      return goto('next');
    },
    undone: () => done(0),
  }),

  /**
   * (cancelled): resumes what is not active. `cancelled` is 1 when the domain never left: ports, grants and watches are
   * still good. @returns 1, or 0 when a device could not be resumed (the others are)
   */
  pmf_system_resume: routine(walk, {
    start: (_, l, cancelled) => {
      l.result = 1;
      l.cancelled = cancelled;
      return goto('next');
    },
    next: (m, l) => {
      const dv = nextOf(m, l.depth, false);
      if (dv === undefined) {
        l.depth++;
        return l.depth > DEPTH_MAX ? done(l.result) : goto('next');
      }
      l.device = dv.address;
      dv.dv_flags |= DVF_ACTIVE;
      if (dv.dv_driver_resume === 0) return goto('next');
      return call('answered', dv.dv_driver_resume, dv.dv_private, l.cancelled);
    },
    answered: (m, l, result) => {
      if (result === 0) {
        const dv = m.autoconf.at(l.device);
        m.msgbuf.printf(`${m.autoconf.nameOf(dv)}: could not be resumed\n`);
        l.result = 0;
      }
      return goto('next');
    },
  }),
};
