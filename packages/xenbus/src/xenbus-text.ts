/*
 * Devices and their states (xenbus_probe.c, xenbus_client.c), xenwatch, and the suspend and resume of the connection.
 */
import { XenbusStateClosed, XenbusStateInitialising } from '@port-xen/abi';
import { call, done, goto, leaf, PRI_KTHREAD, routine, type Text } from '@port-xen/kern';
import { bytes, i32, i64, struct, u32, u64 } from '@port-xen/layout';
import { numberOf, putString, XS_STRING_MAX } from './guest-string.ts';
import { type Xenbus, XS_EAGAIN } from './xenbus.ts';
import { NWATCH, NXENBUSDEV } from './xenbus-data.ts';

const LIST_MAX = 1024;

const probing = struct('xenbus_probe_locals', {
  driver: u32,
  position: u32,
  device: i64,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
  list: bytes(LIST_MAX),
});

const reading = struct('xenbus_read_locals', {
  device: i64,
  id: i32,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
});

const walking = struct('xenbus_walk_locals', {
  position: u32,
  cancelled: u32,
  watch: i64,
  pad: u64,
});

const writing = struct('xenbus_write_locals', {
  device: i64,
  nodes: i64,
  at: i64,
  tx: i64,
  error: i64,
  path: bytes(XS_STRING_MAX),
});

const PATH = probing.offset.path;
const VALUE = probing.offset.value;
const LIST = probing.offset.list;
const R_PATH = reading.offset.path;
const R_VALUE = reading.offset.value;
const W_PATH = writing.offset.path;

/** The device numbers in a directory's listing, ascending. */
const idsOf = (list: Uint8Array): number[] =>
  String.fromCharCode(...list)
    .split('\0')
    .map(numberOf)
    .filter((id) => id >= 0)
    .sort((a, b) => a - b);

export const xenbusText: Text<Xenbus> = {
  xenbus_handler: leaf((m) => m.handler()),

  /** (xenbus0's device): the bus, its two services, its devices. */
  xenbus_attach: routine(walking, {
    start: (m, _, bus) => {
      const { autoconf, sched } = m.kern;
      m.connect();
      m.d.xb_device = bus;
      autoconf.pmfRegister(
        autoconf.at(bus),
        m.cpu.sym('xenbus_suspend'),
        m.cpu.sym('xenbus_resume'),
      );
      m.kern.msgbuf.printf(`xenbus0 at hypervisor0: store port ${m.d.xb_port}\n`);
      sched.create('xenwatch', m.cpu.sym('xenwatch_thread'), 0, PRI_KTHREAD);
      return call('probed', m.cpu.sym('xenbus_probe'));
    },
    probed: (m) =>
      call('watched', m.cpu.sym('xs_watch'), m.newWatch('device', 'xenbus_devices_changed', 0)),
    watched: (m) => call('done', m.cpu.sym('shutdown_xenbus_setup')),
    done: () => done(),
  }),

  /** The lwp that runs watches' text, one event after the other. */
  xenwatch_thread: routine(walking, {
    next: (m) => {
      const w = m.takeEvent();
      if (w === undefined) return call('next', m.cpu.sym('tsleep'), m.eventChannel, 0);
      return call('next', w.w_func, w.w_arg, m.currentPath);
    },
  }),

  /** The `device` watch: something was added. */
  xenbus_devices_changed: routine(walking, {
    start: (m) => call('done', m.cpu.sym('xenbus_probe')),
    done: () => done(),
  }),

  /** Attaches every device of a type that has a driver and is not known yet. */
  xenbus_probe: routine(probing, {
    driver: (m, l) => {
      const driver = m.drivers[l.driver];
      if (driver === undefined) return done();
      putString(m.cpu.memory, l.address + PATH, `device/${driver.type}`);
      return call(
        'listed',
        m.cpu.sym('xs_directory'),
        0,
        l.address + PATH,
        l.address + LIST,
        LIST_MAX,
      );
    },
    listed: (_, l, result) => {
      if (result < 0) l.list = new Uint8Array(0);
      else l.list = l.list.subarray(0, Math.min(result, LIST_MAX));
      l.position = 0;
      return goto('next');
    },
    next: (m, l) => {
      const id = idsOf(l.list)[l.position];
      const driver = m.drivers[l.driver];
      if (id === undefined || driver === undefined) {
        l.driver++;
        return goto('driver');
      }
      l.position++;
      const path = `device/${driver.type}/${id}`;
      if (m.isKnown(path)) return goto('next');
      const dev = m.newDevice(l.driver, id, path);
      if (dev === undefined) return goto('next');
      l.device = dev.address;
      putString(m.cpu.memory, l.address + PATH, `${path}/state`);
      return call(
        'state',
        m.cpu.sym('xs_read'),
        0,
        l.address + PATH,
        l.address + VALUE,
        XS_STRING_MAX,
      );
    },
    state: (m, l, result) => {
      const dev = m.device(l.device);
      const state = result < 0 ? -1 : numberOf(m.text(l.address + VALUE));
      if (state !== XenbusStateInitialising) {
        dev.xbusd_used = 0;
        return goto('next');
      }
      return call('otherend', m.cpu.sym('xenbus_read_otherend'), l.device);
    },
    otherend: (m, l, result) => {
      const dev = m.device(l.device);
      const driver = m.drivers[l.driver];
      if (result < 0 || driver === undefined) {
        dev.xbusd_used = 0;
        return goto('next');
      }
      return call('attached', m.cpu.sym(driver.attach), l.device);
    },
    attached: (m, l, softc) => {
      const dev = m.device(l.device);
      if (softc === 0) {
        dev.xbusd_used = 0;
        return goto('next');
      }
      dev.xbusd_softc = softc;
      dev.xbusd_watch = m.newWatch(
        `${m.otherendOf(dev)}/state`,
        'xenbus_otherend_changed',
        l.device,
      );
      return call('next', m.cpu.sym('xs_watch'), dev.xbusd_watch);
    },
  }),

  /** (device): reads `backend` and `backend-id` of its directory. @returns 0 or -errno */
  xenbus_read_otherend: routine(reading, {
    start: (m, l, device) => {
      l.device = device;
      putString(m.cpu.memory, l.address + R_PATH, `${m.pathOf(m.device(device))}/backend-id`);
      return call(
        'id',
        m.cpu.sym('xs_read'),
        0,
        l.address + R_PATH,
        l.address + R_VALUE,
        XS_STRING_MAX,
      );
    },
    id: (m, l, result) => {
      if (result < 0) return done(result);
      l.id = numberOf(m.text(l.address + R_VALUE));
      putString(m.cpu.memory, l.address + R_PATH, `${m.pathOf(m.device(l.device))}/backend`);
      return call(
        'path',
        m.cpu.sym('xs_read'),
        0,
        l.address + R_PATH,
        l.address + R_VALUE,
        XS_STRING_MAX,
      );
    },
    path: (m, l, result) => {
      if (result < 0) return done(result);
      m.setOtherend(m.device(l.device), m.text(l.address + R_VALUE), l.id);
      return done();
    },
  }),

  /** (device, path): tells the driver the other end's state. An event about another path is an old life's. */
  xenbus_otherend_changed: routine(reading, {
    start: (m, l, device, path) => {
      const dev = m.device(device);
      l.device = device;
      const state = `${m.otherendOf(dev)}/state`;
      if (dev.xbusd_used === 0 || m.text(path) !== state) return done();
      putString(m.cpu.memory, l.address + R_PATH, state);
      return call(
        'state',
        m.cpu.sym('xs_read'),
        0,
        l.address + R_PATH,
        l.address + R_VALUE,
        XS_STRING_MAX,
      );
    },
    state: (m, l, result) => {
      const dev = m.device(l.device);
      const driver = m.drivers[dev.xbusd_driver];
      // A back end whose state is gone is closed.
      const state = result < 0 ? XenbusStateClosed : numberOf(m.text(l.address + R_VALUE));
      if (driver === undefined) return done();
      return call('done', m.cpu.sym(driver.changed), dev.xbusd_softc, state);
    },
    done: () => done(),
  }),

  /** (device, state): xenbus_switch_state. */
  xenbus_switch_state: routine(reading, {
    start: (m, l, device, state) => {
      const { memory } = m.cpu;
      putString(memory, l.address + R_PATH, `${m.pathOf(m.device(device))}/state`);
      putString(memory, l.address + R_VALUE, String(state));
      return call('written', m.cpu.sym('xs_write'), 0, l.address + R_PATH, l.address + R_VALUE);
    },
    written: (_, __, result) => done(result),
  }),

  /** (device, name, otherend): a decimal number of its own (0) or its other end's (1) directory; -errno when there is none. */
  xenbus_read_number: routine(reading, {
    start: (m, l, device, name, otherend) => {
      const dev = m.device(device);
      const directory = otherend === 0 ? m.pathOf(dev) : m.otherendOf(dev);
      putString(m.cpu.memory, l.address + R_PATH, `${directory}/${m.text(name)}`);
      return call(
        'read',
        m.cpu.sym('xs_read'),
        0,
        l.address + R_PATH,
        l.address + R_VALUE,
        XS_STRING_MAX,
      );
    },
    read: (m, l, result) => {
      if (result < 0) return done(result);
      return done(numberOf(m.text(l.address + R_VALUE)));
    },
  }),

  /**
   * (device, nodes): writes nodes of its directory in one transaction.
   * @param nodes names and values in turn, each NUL-terminated, ended by an empty name @returns 0 or -errno
   */
  xenbus_write_nodes: routine(writing, {
    start: (_, l, device, nodes) => {
      l.device = device;
      l.nodes = nodes;
      return goto('begin');
    },
    begin: (m, l) => {
      l.at = l.nodes;
      return call('begun', m.cpu.sym('xs_transaction_start'));
    },
    begun: (_, l, tx) => {
      if (tx < 0) return done(tx);
      l.tx = tx;
      return goto('next');
    },
    next: (m, l) => {
      const name = m.text(l.at);
      if (name === '') return call('ended', m.cpu.sym('xs_transaction_end'), l.tx, 0);
      putString(m.cpu.memory, l.address + W_PATH, `${m.pathOf(m.device(l.device))}/${name}`);
      const value = l.at + name.length + 1;
      l.at = value + m.text(value).length + 1;
      return call('written', m.cpu.sym('xs_write'), l.tx, l.address + W_PATH, value);
    },
    written: (m, l, result) => {
      if (result >= 0) return goto('next');
      l.error = result;
      return call('aborted', m.cpu.sym('xs_transaction_end'), l.tx, 1);
    },
    aborted: (_, l) => done(l.error),
    ended: (_, __, result) => (result === -XS_EAGAIN ? goto('begin') : done(Math.min(result, 0))),
  }),

  /** (device): it is no more; nor is the watch on its back end's state. */
  xenbus_free_device: routine(walking, {
    start: (m, l, device) => {
      const dev = m.device(device);
      l.watch = dev.xbusd_watch;
      dev.xbusd_used = 0;
      return l.watch === 0 ? done() : call('free', m.cpu.sym('xs_unwatch'), l.watch);
    },
    free: (m, l) => {
      m.freeWatch(l.watch);
      return done();
    },
  }),

  /** Waits until no request is under way, keeps the slot, and lets go of the channel. */
  xenbus_suspend: routine(walking, {
    lock: (m) => {
      if (!m.tryLock()) return call('lock', m.cpu.sym('tsleep'), m.lockChannel, 0);
      m.disconnect();
      m.kern.msgbuf.printf(`xenbus0: suspended, store port ${m.d.xb_port} let go\n`);
      return done(1);
    },
  }),

  /**
   * (_, cancelled): takes the channel again. In a restored domain every path that leads to a back end is another one: they are read
   * anew, and every watch is registered anew, on the new paths.
   */
  xenbus_resume: routine(walking, {
    start: (m, l, _, cancelled) => {
      l.cancelled = cancelled;
      if (cancelled === 0) m.forgetConnection();
      m.connect();
      m.unlock();
      if (cancelled !== 0) return done(1);
      return goto('device');
    },
    device: (m, l) => {
      const index = l.position++;
      if (index === NXENBUSDEV) {
        l.position = 0;
        return goto('watch');
      }
      const dev = m.deviceAt(index);
      if (dev === undefined) return goto('device');
      return call('found', m.cpu.sym('xenbus_read_otherend'), dev.address);
    },
    found: (m, l, result) => {
      const dev = m.deviceAt(l.position - 1);
      if (dev !== undefined && result < 0) m.setOtherend(dev, '', -1);
      if (dev !== undefined && dev.xbusd_watch !== 0) {
        m.setNode(dev.xbusd_watch, `${m.otherendOf(dev)}/state`);
      }
      return goto('device');
    },
    watch: (m, l) => {
      const index = l.position++;
      if (index === NWATCH) return call('told', m.cpu.sym('shutdown_xenbus_features'));
      const w = m.watchAt(index);
      if (w.w_used === 0) return goto('watch');
      return call('watch', m.cpu.sym('xs_watch'), w.address);
    },
    told: (m) => {
      let watches = 0;
      for (let i = 0; i < NWATCH; i++) if (m.watchAt(i).w_used !== 0) watches++;
      m.kern.msgbuf.printf(
        `xenbus0: store port ${m.d.xb_port}, ${watches} watches registered again\n`,
      );
      return done(1);
    },
  }),
};
