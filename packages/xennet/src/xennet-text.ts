/*
 * An interface's life as text: attach, connect, suspend, resume.
 *
 *     attach ─────────────┐
 *                         ├─► the back end is InitWait: features, rings, nodes, Connected ─► it is Connected too ─► up
 *     resume: forget all ─┘
 *
 * Attach discovers an interface, resume a new back end for an interface that the stack goes on with; what connects is the same
 * text, and it begins when the back end has said what it can do. Neither waits for the back end.
 */
import {
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitWait,
} from '@port-xen/abi';
import { call, done, goto, leaf, routine, type Text } from '@port-xen/kern';
import { bytes, cString, i64, struct, textOf, u32, type View } from '@port-xen/layout';
import { ETHERMTU } from '@port-xen/netinet';
import { ACK_TICKS, DRAIN_TICKS } from './drain-ticks.ts';
import type { Xennet } from './xennet.ts';
import {
  ETHER_ADDR_LEN,
  XENNET_CONNECTED,
  XENNET_CONNECTING,
  XENNET_DISCONNECTED,
  XENNET_GONE,
} from './xennet-data.ts';

const NODES_MAX = 256;
const NAME_MAX = 64;
const MTU_MAX = 65_521;

const attaching = struct('xennet_attach_locals', {
  xbusd: i64,
  mtu: u32,
  pad: u32,
  path: bytes(NAME_MAX),
  mac: bytes(NAME_MAX),
});
const connecting = struct('xennet_connect_locals', {
  sc: i64,
  sg: u32,
  flip: u32,
  pad: u32,
  name: bytes(NAME_MAX),
  nodes: bytes(NODES_MAX),
});
const changing = struct('xennet_changed_locals', { sc: i64, pad: i64 });
const suspending = struct('xennet_suspend_locals', {
  sc: i64,
  waited: u32,
  pad: u32,
});

const PATH = attaching.offset.path;
const MAC = attaching.offset.mac;

/** Six bytes of `00:16:3e:…`; undefined when it is anything else. */
const etherAton = (text: string): Uint8Array | undefined => {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
};

/** xenbus_read_number of a node of its own (0) or of the back end's (1). */
const readNumber = (
  m: Xennet,
  xbusd: number,
  room: number,
  name: string,
  otherend: 0 | 1,
  then: string,
) => {
  m.cpu.memory.write(room, cString(name));
  return call(then, m.cpu.sym('xenbus_read_number'), xbusd, room, otherend);
};

/** A number that the back end publishes. */
const readFeature = (m: Xennet, l: View<typeof connecting>, name: string, then: string) =>
  readNumber(m, m.at(l.sc).sc_xbusd, l.address + connecting.offset.name, name, 1, then);

export const xennetText: Text<Xennet> = {
  xennet_output: leaf((m, softc, packet) => m.tx.output(m.at(softc), packet)),
  xennet_handler: leaf((m) => m.handler()),
  xennet_softintr: leaf((m) => m.softintr()),

  /** (xenbus device) → softc, 0 when there is no room for another interface or it has no address. */
  xennet_xenbus_attach: routine(attaching, {
    start: (m, l, xbusd) => {
      const { devices } = m.parts.xenbus;
      l.xbusd = xbusd;
      m.cpu.memory.write(l.address + PATH, cString(`${devices.pathOf(devices.at(xbusd))}/mac`));
      return call('mac', m.cpu.sym('xs_read'), 0, l.address + PATH, l.address + MAC, NAME_MAX);
    },
    mac: (m, l, result) => {
      if (result < 0 || etherAton(textOf(l.mac)) === undefined) {
        m.parts.kern.msgbuf.printf(`xennet: expected an address in ${textOf(l.path)}\n`);
        return done(0);
      }
      return readNumber(m, l.xbusd, l.address + PATH, 'mtu', 0, 'mtu');
    },
    mtu: (m, l, result) => {
      const enaddr = etherAton(textOf(l.mac)) ?? new Uint8Array(ETHER_ADDR_LEN);
      const mtu = result >= 68 && result <= MTU_MAX ? result : ETHERMTU;
      const sc = m.create(l.xbusd, enaddr, mtu);
      if (sc === undefined) return done(0);
      const { autoconf } = m.parts.kern;
      const dv = autoconf.attach(m.nameOf(sc), m.parts.xenbus.bus, sc.address);
      autoconf.pmfRegister(
        dv,
        m.cpu.sym('xennet_xenbus_suspend'),
        m.cpu.sym('xennet_xenbus_resume'),
      );
      sc.sc_dev = dv.address;
      m.log.say(sc, `MAC address ${textOf(l.mac)}`);
      return done(sc.address);
    },
  }),

  /** (softc, state): the watch on the back end's state. */
  xennet_backend_changed: routine(changing, {
    start: (m, l, softc, state) => {
      const sc = m.at(softc);
      const status = sc.sc_backend_status;
      l.sc = softc;
      if (state === XenbusStateInitWait && status === XENNET_DISCONNECTED) {
        sc.sc_backend_status = XENNET_CONNECTING;
        return call('done', m.cpu.sym('xennet_connect'), softc);
      }
      if (state === XenbusStateConnected && status === XENNET_CONNECTING && sc.sc_evtchn !== 0) {
        m.connected(sc);
        return done();
      }
      if (state === XenbusStateClosing && status !== XENNET_GONE) {
        m.log.say(sc, 'the back end is closing');
        m.gone(sc);
        return call('done', m.cpu.sym('xenbus_switch_state'), sc.sc_xbusd, XenbusStateClosed);
      }
      if (state === XenbusStateClosed && status === XENNET_GONE) {
        m.log.say(sc, 'detached');
        m.release(sc);
        m.parts.kern.autoconf.detach(sc.sc_dev);
        sc.sc_used = 0;
        return call('done', m.cpu.sym('xenbus_free_device'), sc.sc_xbusd);
      }
      return done();
    },
    done: () => done(),
  }),

  /** (softc): the back end has said what it can do, and is told where the rings are. No suspend comes between: xenwatch does this. */
  xennet_connect: routine(connecting, {
    start: (m, l, softc) => {
      l.sc = softc;
      return readFeature(m, l, 'feature-rx-copy', 'copy');
    },
    copy: (m, l, result) => {
      l.flip = result === 1 ? 0 : 1;
      if (l.flip === 0) return goto('can');
      return readFeature(m, l, 'feature-rx-flip', 'flip');
    },
    flip: (m, l, result) => {
      // The first back ends flipped pages and did not say so.
      if (result !== 0) return goto('can');
      m.log.say(m.at(l.sc), 'the back end neither copies what is received nor flips pages');
      return goto('fail');
    },
    can: (m, l) => readFeature(m, l, 'feature-sg', 'sg'),
    sg: (m, l, result) => {
      l.sg = result === 1 ? 1 : 0;
      return readFeature(m, l, 'feature-no-csum-offload', 'csum');
    },
    csum: (m, l, result) => {
      const sc = m.at(l.sc);
      const csum = result !== 1;
      const flip = l.flip !== 0;
      m.negotiate(sc, { sg: l.sg !== 0, csum, flip });
      if (!m.prepare(sc)) {
        m.log.say(sc, 'there are no grants for its rings, or no memory');
        return goto('fail');
      }
      const nodes = {
        vifname: m.nameOf(sc),
        'tx-ring-ref': sc.sc_tx_ring_gntref,
        'rx-ring-ref': sc.sc_rx_ring_gntref,
        'event-channel': sc.sc_evtchn,
        'request-rx-copy': flip ? 0 : 1,
        'feature-rx-notify': 1,
        'feature-sg': 1,
      };
      const text = Object.entries(nodes).map(([name, value]) => `${name}\0${value}\0`);
      const room = l.address + connecting.offset.nodes;
      m.cpu.memory.write(room, cString(text.join('')));
      return call('told', m.cpu.sym('xenbus_write_nodes'), sc.sc_xbusd, room);
    },
    told: (m, l, result) => {
      const sc = m.at(l.sc);
      if (result < 0) {
        m.log.say(sc, `its nodes cannot be written: error ${-result}`);
        m.release(sc);
        return goto('fail');
      }
      m.log.say(
        sc,
        `ring grants ${sc.sc_tx_ring_gntref} and ${sc.sc_rx_ring_gntref}, port ${sc.sc_evtchn}${m.abilities(sc)}`,
      );
      return call('done', m.cpu.sym('xenbus_switch_state'), sc.sc_xbusd, XenbusStateConnected);
    },
    fail: (m, l) => {
      m.at(l.sc).sc_backend_status = XENNET_DISCONNECTED;
      return done();
    },
    done: () => done(),
  }),

  /**
   * (softc): waits for what is being transmitted, half a second at most; what is not answered then is dropped by a restore. And
   * for what the stack has in flight: what peers say while nobody is there is lost, and there are some that do not say it twice.
   */
  xennet_xenbus_suspend: routine(suspending, {
    start: (m, l, softc) => {
      l.sc = softc;
      m.hold(m.at(softc));
      return goto('drain');
    },
    drain: (m, l) => {
      const sc = m.at(l.sc);
      const connected = sc.sc_backend_status === XENNET_CONNECTED;
      const unanswered = l.waited < DRAIN_TICKS && m.tx.outstanding(sc) > 0;
      const unacknowledged = l.waited < ACK_TICKS && m.parts.stack.inFlight > 0;
      if (connected && (unanswered || unacknowledged)) {
        l.waited++;
        // Nobody wakes it for an acknowledgement.
        const channel = unanswered ? m.tx.idleChannel(sc) : l.address;
        return call('drain', m.cpu.sym('tsleep'), channel, 1);
      }
      m.softintr();
      m.log.say(
        sc,
        `suspended, port ${sc.sc_evtchn} let go, ${m.tx.outstanding(sc)} requests unanswered`,
      );
      m.suspended(sc);
      return done(1);
    },
  }),

  /** (softc, cancelled). In a restored domain the watch on the new back end's state fires once the suspend is over. */
  xennet_xenbus_resume: leaf((m, softc, cancelled) => {
    const sc = m.at(softc);
    if (cancelled !== 0) {
      m.cancelled(sc);
      return 1;
    }
    m.restored(sc);
    if (!m.parts.xenbus.isPresent(sc.sc_xbusd)) {
      m.log.say(sc, 'this host has no such interface');
      m.absent(sc);
    }
    return 1;
  }),
};
