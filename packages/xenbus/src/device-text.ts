/*
 * A device's nodes and states (xenbus_client.c, xenbus_probe.c), for drivers.
 */
import { DOMID_FIRST_RESERVED, XenbusStateClosed } from '@port-xen/abi';
import { call, done, goto, routine, type Text } from '@port-xen/kern';
import { bytes, i32, i64, struct, u64 } from '@port-xen/layout';
import { numberOf, putString, XS_STRING_MAX } from './guest-string.ts';
import type { Xenbus } from './xenbus.ts';
import { XS_EAGAIN, XS_EINVAL, XS_EIO } from './xs-errno.ts';

/** Longest directory of a back end: a node's name has to fit behind it. */
const OTHEREND_MAX = XS_STRING_MAX - 64;

const reading = struct('xenbus_read_locals', {
  device: i64,
  id: i32,
  path: bytes(XS_STRING_MAX),
  value: bytes(XS_STRING_MAX),
});

const writing = struct('xenbus_write_locals', {
  device: i64,
  nodes: i64,
  at: i64,
  tx: i64,
  error: i64,
  path: bytes(XS_STRING_MAX),
});

const freeing = struct('xenbus_free_locals', { watch: i64, pad: u64 });

const R_PATH = reading.offset.path;
const R_VALUE = reading.offset.value;
const W_PATH = writing.offset.path;

export const deviceText: Text<Xenbus> = {
  /** (device): reads `backend` and `backend-id` of its directory. @returns 0 or -errno */
  xenbus_read_otherend: routine(reading, {
    start: (m, l, device) => {
      l.device = device;
      putString(
        m.cpu.memory,
        l.address + R_PATH,
        `${m.devices.pathOf(m.devices.at(device))}/backend-id`,
      );
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
      putString(
        m.cpu.memory,
        l.address + R_PATH,
        `${m.devices.pathOf(m.devices.at(l.device))}/backend`,
      );
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
      const path = m.text(l.address + R_VALUE);
      const sensible = path !== '' && path.length <= OTHEREND_MAX;
      if (!sensible || l.id < 0 || l.id >= DOMID_FIRST_RESERVED) return done(-XS_EINVAL);
      m.devices.setOtherend(m.devices.at(l.device), path, l.id);
      return done();
    },
  }),

  /** (device, path): tells the driver the other end's state. An event about another path is an old life's. */
  xenbus_otherend_changed: routine(reading, {
    start: (m, l, device, path) => {
      const dev = m.devices.at(device);
      l.device = device;
      const state = `${m.devices.otherendOf(dev)}/state`;
      if (dev.xbusd_used === 0 || !m.text(path).startsWith(state)) return done();
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
      const dev = m.devices.at(l.device);
      const driver = m.drivers[dev.xbusd_driver];
      if (driver === undefined || result === -XS_EIO) return done();
      // A back end whose state is gone, or not to be seen any more, is closed.
      const state = result < 0 ? XenbusStateClosed : numberOf(m.text(l.address + R_VALUE));
      return call('done', m.cpu.sym(driver.changed), dev.xbusd_softc, state);
    },
    done: () => done(),
  }),

  /** (device, state): xenbus_switch_state. */
  xenbus_switch_state: routine(reading, {
    start: (m, l, device, state) => {
      const { memory } = m.cpu;
      putString(memory, l.address + R_PATH, `${m.devices.pathOf(m.devices.at(device))}/state`);
      putString(memory, l.address + R_VALUE, String(state));
      return call('written', m.cpu.sym('xs_write'), 0, l.address + R_PATH, l.address + R_VALUE);
    },
    written: (_, __, result) => done(result),
  }),

  /** (device, name, otherend): a decimal number of its own (0) or its other end's (1) directory; -errno when there is none. */
  xenbus_read_number: routine(reading, {
    start: (m, l, device, name, otherend) => {
      const dev = m.devices.at(device);
      const directory = otherend === 0 ? m.devices.pathOf(dev) : m.devices.otherendOf(dev);
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
      putString(
        m.cpu.memory,
        l.address + W_PATH,
        `${m.devices.pathOf(m.devices.at(l.device))}/${name}`,
      );
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
  xenbus_free_device: routine(freeing, {
    start: (m, l, device) => {
      const dev = m.devices.at(device);
      l.watch = dev.xbusd_watch;
      dev.xbusd_used = 0;
      return l.watch === 0 ? done() : call('free', m.cpu.sym('xs_unwatch'), l.watch);
    },
    free: (m, l) => {
      m.watches.free(l.watch);
      return done();
    },
  }),
};
