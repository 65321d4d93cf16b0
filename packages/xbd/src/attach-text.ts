/*
 * A disk comes, connects, and goes.
 *
 *     attach   softc ─┐
 *                     ├─ xbd_connect: ring, grant, channel, nodes, Initialised ─► the back end is Connected ─► xbd_open
 *     resume   softc ─┘
 *
 * Attach discovers a disk, resume a new back end for a disk that programs have open; what connects is the same text. Neither
 * waits for the back end: it is served by the watch on its state, and what programs ask for waits in bufq.
 */
import {
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialised,
} from '@port-xen/abi';
import { call, DEV_BSIZE, done, ENXIO, goto, routine, type Text } from '@port-xen/kern';
import { bytes, cString, i64, struct, u32, u64 } from '@port-xen/layout';
import { DRAIN_TICKS, XBD_DISCONNECTED, XBD_GONE } from './xbd-data.ts';
import type { XbdXenbus } from './xbd-xenbus.ts';

const NODES_MAX = 128;
const NAME_MAX = 32;
const MIB = 2 ** 20;

const attaching = struct('xbd_attach_locals', { sc: i64, drained: u32, pad: u32 });
const connecting = struct('xbd_connect_locals', { sc: i64, nodes: bytes(NODES_MAX) });
const opening = struct('xbd_open_locals', {
  sc: i64,
  sectors: u64,
  info: u32,
  flush: u32,
  /** It is another disk than it was: worth a line. */
  changed: u32,
  name: bytes(NAME_MAX),
});

const NODES = connecting.offset.nodes;
const NAME = opening.offset.name;

/** xenbus_read_number of a node of the back end's. */
const readOtherend = (m: XbdXenbus, locals: number, xbusd: number, name: string, then: string) => {
  m.cpu.memory.write(locals + NAME, cString(name));
  return call(then, m.cpu.sym('xenbus_read_number'), xbusd, locals + NAME, 1);
};

export const attachText: Text<XbdXenbus> = {
  /** (xenbus device) → softc, 0 when there is no room for another disk. */
  xbd_xenbus_attach: routine(attaching, {
    start: (m, l, xbusd) => {
      const sc = m.connection.create(xbusd);
      if (sc === undefined) return done(0);
      l.sc = sc.address;
      const { autoconf } = m.kern;
      const dv = autoconf.attach(m.nameOf(sc), m.xenbus.bus, sc.address);
      autoconf.pmfRegister(dv, m.cpu.sym('xbd_xenbus_suspend'), m.cpu.sym('xbd_xenbus_resume'));
      sc.sc_dev = dv.address;
      autoconf.pendingIncr();
      sc.sc_pending = 1;
      return call('connected', m.cpu.sym('xbd_connect'), sc.address);
    },
    connected: (m, l, ok) => {
      if (ok === 0) m.settled(m.at(l.sc));
      return done(l.sc);
    },
  }),

  /** (softc): an empty ring for a back end to map. @returns 1, or 0 when there are no grants or no nodes to write */
  xbd_connect: routine(connecting, {
    start: (m, l, softc) => {
      const sc = m.at(softc);
      l.sc = softc;
      if (!m.connection.prepare(sc)) return done(0);
      const nodes = {
        'ring-ref': sc.sc_ring_gntref,
        'event-channel': sc.sc_evtchn,
        protocol: 'x86_64-abi',
      };
      const text = Object.entries(nodes).map(([name, value]) => `${name}\0${value}\0`);
      m.cpu.memory.write(l.address + NODES, cString(text.join('')));
      return call('told', m.cpu.sym('xenbus_write_nodes'), sc.sc_xbusd, l.address + NODES);
    },
    told: (m, l, result) => {
      const sc = m.at(l.sc);
      if (result < 0) {
        m.kern.msgbuf.printf(`${m.nameOf(sc)}: its nodes cannot be written: error ${-result}\n`);
        return done(0);
      }
      m.kern.msgbuf.printf(
        `${m.nameOf(sc)}: ring grant ${sc.sc_ring_gntref}, port ${sc.sc_evtchn}\n`,
      );
      return call('done', m.cpu.sym('xenbus_switch_state'), sc.sc_xbusd, XenbusStateInitialised);
    },
    done: (_, __, result) => done(result < 0 ? 0 : 1),
  }),

  /** (softc, state): the back end's state is another one. Closing: lets it go, and says so; Closed: the disk is no more. */
  xbd_backend_changed: routine(attaching, {
    start: (m, l, softc, state) => {
      const sc = m.at(softc);
      l.sc = softc;
      if (state === XenbusStateConnected && sc.sc_backend_status === XBD_DISCONNECTED) {
        return call('done', m.cpu.sym('xbd_open'), softc);
      }
      if (state !== XenbusStateClosing && state !== XenbusStateClosed) return done();
      if (sc.sc_backend_status !== XBD_GONE) {
        m.kern.msgbuf.printf(`${m.nameOf(sc)}: the back end is closing\n`);
        m.fail(sc, ENXIO);
      }
      return goto(state === XenbusStateClosing ? 'drain' : 'detach');
    },
    drain: (m, l) => {
      const sc = m.at(l.sc);
      if (sc.sc_busy > 0 && l.drained++ < DRAIN_TICKS) {
        return call('drain', m.cpu.sym('tsleep'), m.idleChannel(sc), 1);
      }
      m.abandon(sc, ENXIO);
      return call('done', m.cpu.sym('xenbus_switch_state'), sc.sc_xbusd, XenbusStateClosed);
    },
    detach: (m, l) => {
      const sc = m.at(l.sc);
      // A back end that went without a word answers no more.
      m.abandon(sc, ENXIO);
      m.kern.msgbuf.printf(`${m.nameOf(sc)}: detached\n`);
      m.connection.release(sc);
      m.kern.cdevsw.detach(m.nameOf(sc));
      m.kern.autoconf.detach(sc.sc_dev);
      sc.sc_used = 0;
      return call('done', m.cpu.sym('xenbus_free_device'), sc.sc_xbusd);
    },
    done: () => done(),
  }),

  /** (softc): the back end serves the ring: what it has, then whatever waits for it. */
  xbd_open: routine(opening, {
    start: (m, l, softc) => {
      l.sc = softc;
      return readOtherend(m, l.address, m.at(softc).sc_xbusd, 'sectors', 'sectors');
    },
    sectors: (m, l, result) => {
      l.sectors = Math.max(0, result);
      return readOtherend(m, l.address, m.at(l.sc).sc_xbusd, 'info', 'info');
    },
    info: (m, l, result) => {
      l.info = Math.max(0, result);
      return readOtherend(m, l.address, m.at(l.sc).sc_xbusd, 'feature-flush-cache', 'flush');
    },
    flush: (m, l, result) => {
      l.flush = result === 1 ? 1 : 0;
      return readOtherend(m, l.address, m.at(l.sc).sc_xbusd, 'feature-barrier', 'barrier');
    },
    barrier: (m, l, result) => {
      const sc = m.at(l.sc);
      l.changed = sc.sc_attached === 0 || sc.sc_sectors !== l.sectors ? 1 : 0;
      sc.sc_sectors = l.sectors;
      sc.sc_info = l.info;
      sc.sc_cache_flush = l.flush;
      sc.sc_barrier = result === 1 ? 1 : 0;
      return call('open', m.cpu.sym('xenbus_switch_state'), sc.sc_xbusd, XenbusStateConnected);
    },
    open: (m, l) => {
      const sc = m.at(l.sc);
      const name = m.nameOf(sc);
      const mib = ((sc.sc_sectors * DEV_BSIZE) / MIB).toFixed(2);
      if (l.changed !== 0) {
        m.kern.msgbuf.printf(
          `${name}: ${mib} MB, ${DEV_BSIZE} bytes/sect x ${sc.sc_sectors} sectors\n`,
        );
      }
      if (sc.sc_attached === 0) {
        sc.sc_attached = 1;
        m.kern.cdevsw.attach(name, sc.address, {
          open: m.cpu.sym('xbdopen'),
          read: m.cpu.sym('xbdread'),
          write: m.cpu.sym('xbdwrite'),
          size: m.cpu.sym('xbdsize'),
          sync: m.cpu.sym('xbdsync'),
        });
      }
      m.settled(sc);
      m.connected(sc);
      return done();
    },
  }),
};
