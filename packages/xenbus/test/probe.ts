/*
 * A kernel with xenbus, a driver of toys that writes down what it is told, and lwps that keep xenstored busy.
 */
import { XS_READ, XS_WRITE } from '@port-xen/abi';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import {
  call,
  done,
  goto,
  type KernelImage,
  leaf,
  Panic,
  routine,
  type Text,
} from '@port-xen/kern';
import { array, bytes, i64, struct, u32, u64 } from '@port-xen/layout';
import { type TestBase, testKernel, USER_BASE } from '@tooling/guest-testbed';
import {
  putString,
  shutdownText,
  Xenbus,
  XS_STRING_MAX,
  xenbus_data,
  xenbusText,
  xsText,
} from '../src/index.ts';

/** A payload that takes more than a ring. */
export const LARGE = 1900;
const WORKERS = 4;

const probe_data = struct('probe_data', {
  length: u32,
  log: array(u32, 128),
  /** Rounds that each worker has done. */
  rounds: array(u32, WORKERS),
  finished: u32,
  /** Ticks that the watch's text takes. */
  slow: u32,
  refuse: u32,
});

interface Probe {
  readonly base: TestBase;
  readonly xenbus: Xenbus;
  readonly data: number;
}

const d = (m: Probe) => probe_data.at(m.base.cpu.memory, m.data);
const log = (m: Probe, value: number): void => {
  const data = d(m);
  data.log.set(data.length++, value);
};

const attaching = struct('probe_attaching', { pad: u64 });
const working = struct('probe_working', {
  id: u32,
  left: u32,
  tx: i64,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
});
const PATH = working.offset.path;
const VALUE = working.offset.value;
/** Where a worker's large payload and reply are. */
const area = (id: number): number => USER_BASE + id * 8192;

/** The payload of a WRITE of `data/large/ID`, different each round. @returns its length */
const composeLarge = (m: Probe, id: number, round: number): number => {
  const { memory } = m.base.cpu;
  const name = `data/large/${id}`;
  putString(memory, area(id), name);
  const start = name.length + 1;
  for (let i = 0; i < LARGE; i++) memory.st8(area(id) + start + i, 33 + ((i + round) % 90));
  return start + LARGE;
};

const text: Text<Probe> = {
  /** (hypervisor0). */
  probe_attach: routine(attaching, {
    start: (m, _, hypervisor) => {
      const bus = m.base.kern.autoconf.attach('xenbus0', hypervisor, 0);
      return call('done', m.base.cpu.sym('xenbus_attach'), bus.address);
    },
    done: () => done(),
  }),

  toy_attach: leaf((m, xbusd) => {
    const { xbusd_id } = m.xenbus.devices.at(xbusd);
    log(m, xbusd_id);
    return xbusd;
  }),
  toy_changed: leaf((m, xbusd, state) => {
    log(m, 1000 * m.xenbus.devices.at(xbusd).xbusd_id + state);
  }),
  /** (id) → whether the host has the toy's back end. */
  toy_is_present: leaf((m, id) => {
    for (let i = 0; i < 16; i++) {
      const dev = m.xenbus.devices.atIndex(i);
      if (dev?.xbusd_id === id) return m.xenbus.isPresent(dev.address) ? 1 : 0;
    }
    return -1;
  }),
  probe_length: leaf((m) => d(m).length),
  probe_log: leaf((m, i) => d(m).log.get(i)),
  probe_watches: leaf((m) => m.xenbus.watches.count),

  // Watches.

  /** (node) → a watch whose text takes `slow` ticks. */
  probe_watch: routine(working, {
    start: (m, l, node) => {
      const w = m.xenbus.watches.create(m.xenbus.text(node), 'probe_fired', 0);
      l.tx = w;
      return call('watched', m.base.cpu.sym('xs_watch'), w);
    },
    watched: (_, l, result) => done(result < 0 ? result : l.tx),
  }),
  /** The path's last number is written down. */
  probe_fired: routine(working, {
    start: (m, _l, _arg, path) => {
      log(m, Number(/\d*$/.exec(m.xenbus.text(path))?.[0]));
      const { slow } = d(m);
      return slow === 0 ? done() : call('slept', m.base.cpu.sym('tsleep'), m.data, slow);
    },
    slept: () => done(),
  }),
  probe_slow: leaf((m, ticks) => {
    d(m).slow = ticks;
  }),
  probe_free_watch: leaf((m, w) => m.xenbus.watches.free(w)),
  /** (node) → a watch whose text runs a transaction with rests in it. */
  probe_watch_transacting: routine(working, {
    start: (m, _l, node) => {
      const w = m.xenbus.watches.create(m.xenbus.text(node), 'probe_transact', 0);
      return call('watched', m.base.cpu.sym('xs_watch'), w);
    },
    watched: (_, __, result) => done(result),
  }),
  probe_transact: routine(working, {
    start: (m) => call('begun', m.base.cpu.sym('xs_transaction_start')),
    begun: (m, l, tx) => {
      l.tx = tx;
      return call('rested', m.base.cpu.sym('tsleep'), m.data, 3);
    },
    rested: (m, l) => {
      putString(m.base.cpu.memory, l.address + PATH, 'data/transacted');
      putString(m.base.cpu.memory, l.address + VALUE, 'x');
      const value = l.address + VALUE;
      return call('written', m.base.cpu.sym('xs_write'), l.tx, l.address + PATH, value);
    },
    written: (m, _, result) => {
      log(m, result < 0 ? 100 - result : 1);
      return call('rested2', m.base.cpu.sym('tsleep'), m.data, 3);
    },
    rested2: (m, l) => call('ended', m.base.cpu.sym('xs_transaction_end'), l.tx, 0),
    ended: (m, _, result) => {
      log(m, result < 0 ? 100 - result : 2);
      return done();
    },
  }),

  // Busy lwps.

  /** (id): writes a value larger than the ring and reads it again, some rounds; panics when it is another. */
  probe_worker: routine(working, {
    start: (_, l, id) => {
      l.id = id;
      l.left = 6;
      return goto('write');
    },
    write: (m, l) => {
      if (l.left === 0) {
        d(m).finished++;
        return done();
      }
      const length = composeLarge(m, l.id, l.left);
      return call('wrote', m.base.cpu.sym('xs_talkv'), XS_WRITE, 0, area(l.id), length, 0, 0);
    },
    wrote: (m, l, result) => {
      if (result < 0) throw new Panic(`worker ${l.id}: write failed: ${result}`);
      putString(m.base.cpu.memory, l.address + PATH, `data/large/${l.id}`);
      const reply = area(l.id) + 4096;
      const length = `data/large/${l.id}`.length + 1;
      return call(
        'read',
        m.base.cpu.sym('xs_talkv'),
        XS_READ,
        0,
        l.address + PATH,
        length,
        reply,
        4096,
      );
    },
    read: (m, l, result) => {
      const { memory } = m.base.cpu;
      const sent = new Uint8Array(LARGE);
      const got = new Uint8Array(LARGE);
      memory.read(area(l.id) + `data/large/${l.id}`.length + 1, sent);
      memory.read(area(l.id) + 4096, got);
      if (result !== LARGE || sent.some((byte, i) => byte !== got[i])) {
        throw new Panic(`worker ${l.id}: read ${result} bytes, others than were written`);
      }
      l.left--;
      d(m).rounds.set(l.id, d(m).rounds.get(l.id) + 1);
      return goto('write');
    },
  }),
  probe_finished: leaf((m) => d(m).finished),
  /** → result of a WRITE that is larger than the ring. */
  probe_write_large: routine(working, {
    start: (m) => {
      const length = composeLarge(m, 0, 1);
      return call('wrote', m.base.cpu.sym('xs_talkv'), XS_WRITE, 0, area(0), length, 0, 0);
    },
    wrote: (_, __, result) => done(result),
  }),
  /** (xbusd's id): xenbus_write_nodes of a toy. */
  probe_write_nodes: routine(working, {
    start: (m, l, id) => {
      let device = 0;
      for (let i = 0; i < 16; i++) {
        const dev = m.xenbus.devices.atIndex(i);
        if (dev?.xbusd_id === id) device = dev.address;
      }
      const nodes = 'ring-ref\x0017\0event-channel\x0018\0\0';
      m.base.cpu.memory.write(
        l.address + PATH,
        Uint8Array.from(nodes, (c) => c.charCodeAt(0)),
      );
      return call('wrote', m.base.cpu.sym('xenbus_write_nodes'), device, l.address + PATH);
    },
    wrote: (_, __, result) => done(result),
  }),

  // Suspend.

  /** Attaches a device that refuses to be suspended while it is told so. */
  probe_attach_stubborn: leaf((m) => {
    const { autoconf } = m.base.kern;
    const dv = autoconf.attach('stubborn0', m.xenbus.bus, 0);
    autoconf.pmfRegister(dv, m.base.cpu.sym('probe_refuse'), 0);
  }),
  /** Attaches a device that is suspended after the bus, and does as if the half of a message had been read. */
  probe_attach_half: leaf((m) => {
    const { autoconf } = m.base.kern;
    const hypervisor = autoconf.devices().find((dv) => autoconf.nameOf(dv) === 'hypervisor0');
    const dv = autoconf.attach('half0', hypervisor?.address ?? 0, 0);
    autoconf.pmfRegister(dv, m.base.cpu.sym('probe_read_half'), 0);
  }),
  probe_read_half: leaf((m) => {
    m.xenbus.d.in_have = 20;
    m.xenbus.comms.header.len = 1000;
    return 1;
  }),
  probe_refuse: leaf((m) => (d(m).refuse === 0 ? 1 : 0)),
  probe_set_refuse: leaf((m, refuse) => {
    d(m).refuse = refuse;
  }),
};

export const image: KernelImage = testKernel({
  attach: 'probe_attach',
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    xenbus: { data: xenbus_data, text: { ...xsText, ...xenbusText, ...shutdownText } },
    probe: { data: probe_data, text },
  },
  link: (base, at) => {
    const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
    const drivers = [{ type: 'toy', attach: 'toy_attach', changed: 'toy_changed' }];
    const xenbus = new Xenbus(base.cpu, at('xenbus'), base.kern, evtchn, base, drivers);
    const linked = {
      evtchn,
      upcall: { evtchn, sched: base.kern.sched },
      xenbus,
      probe: { base, xenbus, data: at('probe') },
    };
    return { evtchn, shutdown: xenbus, linked };
  },
});
