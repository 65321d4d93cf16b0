/*
 * A kernel with the clock and nothing else: it tells the time, sleeps, works, and writes down when callouts run.
 */

import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import {
  call,
  callout,
  done,
  goto,
  IPL_VM,
  type KernelImage,
  leaf,
  routine,
  type Text,
} from '@port-xen/kern';
import { array, st64, struct, u32, u64, type View } from '@port-xen/layout';
import {
  type TestBase,
  TestGuest,
  type TestGuestOptions,
  testKernel,
  USER_BASE,
} from '@tooling/guest-testbed';
import { createHost, type TestHost } from '@tooling/testbed';
import { Clock, clock_data, clockText } from '../src/index.ts';
import { type Timespec, timespec } from '../src/timespec.ts';

const CALLOUTS = 16;

const probe_data = struct('probe_data', {
  length: u32,
  which: array(u32, 64),
  at: array(u64, 64),
  callouts: array(callout, CALLOUTS),
});

interface Probe {
  readonly base: TestBase;
  readonly clock: Clock;
  readonly data: number;
}

const d = (m: Probe): View<typeof probe_data> => probe_data.at(m.base.cpu.memory, m.data);

const sleeping = struct('probe_sleeping', { ticks: u64, slept: u64 });
const working = struct('probe_working', { left: u32, pad: u64 });

const readThousand = (clock: Clock, into: Timespec): void => {
  for (let i = 0; i < 1000; i++) clock.monotonic(into);
};

const text: Text<Probe> = {
  probe_ticks: leaf((m) => m.base.kern.callout.ticks),
  probe_since: leaf((m) => m.clock.sinceTick_ns()),
  probe_armed: leaf((m) => m.clock.d.armed_tick),
  probe_at_once: leaf((m) => m.clock.d.ticks_at_once),
  probe_steps: leaf((m) => m.clock.d.steps),
  probe_slews: leaf((m) => m.clock.d.slews),
  probe_absence_s: leaf((m) => m.clock.d.absence.tv_sec),
  probe_tsc_khz: leaf((m) => m.clock.tscKhz),
  /** (offset, low, high): writes a word into the user's page. */
  probe_poke: leaf((m, offset, value) => st64(m.base.cpu.memory, m.base.userPages + offset, value)),
  /** (offset): a word of the user's page, signed. */
  probe_peek: leaf((m, offset) => timespec.at(m.base.cpu.memory, m.base.userPages + offset).tv_sec),
  probe_peek32: leaf((m, offset) => m.base.cpu.memory.ld32(m.base.userPages + offset)),
  /** (count): reads monotonic time a thousand times so often. @returns the last one's nanoseconds */
  probe_read_often: leaf((m, count) => {
    const into = { tv_sec: 0, tv_nsec: 0 };
    for (let i = 0; i < count; i++) readThousand(m.clock, into);
    return into.tv_nsec;
  }),

  /** (ticks) → monotonic ns that the sleep took. */
  probe_sleep: routine(sleeping, {
    start: (m, l, ticks) => {
      l.slept = m.clock.uptime_s() * 1e9;
      return call('woken', m.base.cpu.sym('tsleep'), l.address, ticks);
    },
    woken: (m, l) => done(Math.round(m.clock.uptime_s() * 1e9 - l.slept)),
  }),

  /** (ms): an lwp at work. @returns the ticks counted meanwhile */
  probe_work: routine(working, {
    start: (m, l, ms) => {
      l.left = ms;
      l.pad = m.base.kern.callout.ticks;
      return goto('work');
    },
    work: (m, l) => {
      m.base.cpu.spend(999_000);
      return --l.left > 0 ? goto('work') : done(m.base.kern.callout.ticks - l.pad);
    },
  }),

  /** (i, ticks): a callout that writes down that it ran. */
  probe_callout: leaf((m, i, ticks) => {
    const at = d(m).callouts.address(i);
    m.base.kern.callout.reset(at, ticks, m.base.cpu.sym('probe_ran'), i);
  }),
  /** (ticks) → a port whose handler sets callout 0. */
  probe_open: leaf((m, ticks) => {
    const port = m.clock.evtchn.allocUnbound(0);
    m.clock.evtchn.setHandler(port, m.base.cpu.sym('probe_event'), ticks, IPL_VM, 'probe');
    m.clock.evtchn.enable(port);
    return port;
  }),
  probe_event: leaf((m, ticks) => {
    m.base.cpu.call(m.base.cpu.sym('probe_callout'), 0, ticks);
  }),
  probe_ran: leaf((m, i) => {
    const data = d(m);
    data.which.set(data.length, i);
    data.at.set(data.length++, m.base.kern.callout.ticks);
  }),
  probe_length: leaf((m) => d(m).length),
  probe_which: leaf((m, i) => d(m).which.get(i)),
  probe_at: leaf((m, i) => d(m).at.get(i)),
};

export const image: KernelImage = testKernel({
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    clock: { data: clock_data, text: clockText },
    probe: { data: probe_data, text },
  },
  link: (base, at) => {
    const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
    const clock = new Clock(base.cpu, at('clock'), base.kern, evtchn);
    const probe: Probe = { base, clock, data: at('probe') };
    const upcall = { evtchn, sched: base.kern.sched };
    return { evtchn, clock, linked: { evtchn, upcall, clock, probe } };
  },
});

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 3;
export const CLOCK_BOOTTIME = 6;

/** What a host's clocks say. */
export type HostTime = NonNullable<Parameters<typeof createHost>[0]>;

export const hostWith = (slot: number, time: HostTime): TestHost =>
  createHost({ mib: 32, slot, ...time });

/** The probe kernel in a domain, and its clocks read as programs read them. */
export class ProbeGuest extends TestGuest {
  constructor(options: TestGuestOptions, mode: string, host?: TestHost) {
    const config = { ...options.config, cmdline: `clock=${mode}` };
    super(image, { ...options, config, ...(host !== undefined && { host }) });
  }

  /** A clock, ns. */
  read(clock: number): bigint {
    const error = this.call('sys_clock_gettime', clock, USER_BASE);
    if (error !== 0) throw new Error(`expected to read clock ${clock}, found error ${-error}`);
    return BigInt(this.call('probe_peek', 0)) * 1_000_000_000n + BigInt(this.call('probe_peek', 8));
  }

  /** Writes two words into the user's page. @returns their user address */
  give(first: number, second: number): number {
    this.call('probe_poke', 64, first);
    this.call('probe_poke', 72, second);
    return USER_BASE + 64;
  }

  /** The callouts that ran, with their ticks. */
  get ran(): [which: number, tick: number][] {
    const length = this.call('probe_length');
    return Array.from({ length }, (_, i) => [
      this.call('probe_which', i),
      this.call('probe_at', i),
    ]);
  }
}
