/*
 * A kernel that opens ports and writes down in which order, at which level and with which bits its handlers run.
 */
import { shared_info } from '@port-xen/abi';
import {
  call,
  done,
  goto,
  type KernelImage,
  leaf,
  PRI_KTHREAD,
  routine,
  type Text,
} from '@port-xen/kern';
import { array, struct, u32, u64 } from '@port-xen/layout';
import {
  type TestBase,
  TestGuest,
  type TestGuestOptions,
  testKernel,
} from '@tooling/guest-testbed';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '../src/index.ts';

const probe_data = struct('probe_data', {
  length: u32,
  /** The handler raises its own port again this many times. */
  again: u32,
  ports: array(u32, 64),
  levels: array(u32, 64),
  /** 1 masked, 2 pending, as the handler found its port. */
  bits: array(u32, 64),
});

interface Probe {
  readonly base: TestBase;
  readonly evtchn: Evtchn;
  readonly data: number;
}

const d = (m: Probe) => probe_data.at(m.base.cpu.memory, m.data);

const bitsAt = (m: Probe, offset: number, port: number): { at: number; bit: number } => ({
  at: m.base.kern.spl.sharedInfo + offset + 4 * (port >>> 5),
  bit: 1 << (port & 31),
});

const isSet = (m: Probe, offset: number, port: number): number => {
  const { at, bit } = bitsAt(m, offset, port);
  return (m.base.cpu.memory.ld32(at) & bit) === 0 ? 0 : 1;
};

const log = (m: Probe, value: number): void => {
  const data = d(m);
  data.levels.set(data.length, m.base.kern.spl.level);
  data.ports.set(data.length++, value);
};

const holding = struct('probe_holding', { level: u32, steps: u32, pad: u64 });

const text: Text<Probe> = {
  /** (level) → port, with a handler, enabled. */
  probe_open: leaf((m, level) => {
    const port = m.evtchn.allocUnbound(0);
    m.evtchn.setHandler(port, m.base.cpu.sym('probe_event'), port, level, `probe${port}`);
    m.evtchn.enable(port);
    return port;
  }),
  probe_event: leaf((m, port) => {
    const data = d(m);
    const { evtchn_mask, evtchn_pending } = shared_info.offset;
    data.bits.set(data.length, isSet(m, evtchn_mask, port) + 2 * isSet(m, evtchn_pending, port));
    log(m, port);
    if (data.again === 0) return;
    data.again--;
    // What Xen does on another processor while the handler runs.
    const { at, bit } = bitsAt(m, evtchn_pending, port);
    m.base.cpu.memory.st32(at, m.base.cpu.memory.ld32(at) | bit);
  }),
  probe_again: leaf((m, times) => {
    d(m).again = times;
  }),
  probe_length: leaf((m) => d(m).length),
  probe_port: leaf((m, i) => d(m).ports.get(i)),
  probe_level: leaf((m, i) => d(m).levels.get(i)),
  probe_bits: leaf((m, i) => d(m).bits.get(i)),
  probe_masked: leaf((m, port) => isSet(m, shared_info.offset.evtchn_mask, port)),
  probe_mask: leaf((m, port) => m.evtchn.mask(port)),
  probe_enable: leaf((m, port) => m.evtchn.enable(port)),
  probe_remove: leaf((m, port) => m.evtchn.removeHandler(port)),
  probe_is_named: leaf((m, port) => (m.evtchn.nameOf(port) === `probe${port}` ? 1 : 0)),
  probe_handle: leaf((m, port) => {
    m.evtchn.setHandler(port, m.base.cpu.sym('probe_event'), port, 3, 'second');
  }),
  probe_virq: leaf((m, virq) => m.evtchn.bindVirq(virq)),
  /** (level, steps): stays at a level for so many microseconds. */
  probe_hold: routine(holding, {
    start: (m, l, level, steps) => {
      l.level = m.base.kern.spl.splraise(level);
      l.steps = steps;
      return goto('hold');
    },
    hold: (m, l) => {
      if (l.steps-- > 0) return goto('hold');
      m.base.kern.spl.splx(l.level);
      return done(m.base.kern.spl.level);
    },
  }),
  /** (steps): an lwp at work that events may interrupt. */
  probe_work: routine(holding, {
    start: (m, l, steps) => {
      l.steps = steps;
      m.base.kern.sched.create('urgent', m.base.cpu.sym('probe_urgent'), 0, PRI_KTHREAD + 1);
      return goto('work');
    },
    work: (m, l) => {
      if (l.steps-- > 0) return goto('work');
      log(m, 1000);
      return call('over', m.base.cpu.sym('tsleep'), m.data, 1);
    },
    over: () => done(),
  }),
  /** Waits for an event's wakeup; more urgent than whoever is interrupted. */
  probe_urgent: routine(holding, {
    start: (m) => call('woken', m.base.cpu.sym('tsleep'), m.data + 1, 0),
    woken: (m) => {
      log(m, 2000);
      return done();
    },
  }),
  probe_open_waker: leaf((m) => {
    const port = m.evtchn.allocUnbound(0);
    m.evtchn.setHandler(port, m.base.cpu.sym('probe_wake'), 0, 3, 'waker');
    m.evtchn.enable(port);
    return port;
  }),
  probe_wake: leaf((m) => m.base.kern.sched.wakeup(m.data + 1)),
};

export const image: KernelImage = testKernel({
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    probe: { data: probe_data, text },
  },
  link: (base, at) => {
    const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
    const probe: Probe = { base, evtchn, data: at('probe') };
    return { evtchn, linked: { evtchn, upcall: { evtchn, sched: base.kern.sched }, probe } };
  },
});

/** The probe kernel in a domain, and dom0's ends of its ports. */
export class ProbeGuest extends TestGuest {
  constructor(options: TestGuestOptions) {
    super(image, options);
  }

  /** Opens a port with a handler at a level. @returns what fires it */
  open(level: number): { readonly port: number; fire(): void } {
    return this.bind(this.call('probe_open', level));
  }

  bind(port: number): { readonly port: number; fire(): void } {
    const { dom0 } = this.host.hv;
    const local = dom0.bindInterdomain(this.domid, port, () => {});
    return { port, fire: () => dom0.notify(local) };
  }

  /** The ports, or whatever else was written down, in the order of the handlers. */
  get log(): number[] {
    return this.column('probe_port');
  }

  column(symbol: 'probe_port' | 'probe_level' | 'probe_bits'): number[] {
    const length = this.call('probe_length');
    return Array.from({ length }, (_, i) => this.call(symbol, i));
  }
}
