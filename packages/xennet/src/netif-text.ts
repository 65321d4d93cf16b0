/*
 * The interfaces' lwp, and what the controller has to say to it.
 *
 *     DRIVER_STATUS UP, INTERFACE_QUERY of each handle ─► INTERFACE_STATUS DISCONNECTED ─► INTERFACE_CONNECT ─► CONNECTED ─► up
 *     suspend: INTERFACE_DISCONNECT, and what came before the answer taken in
 */
import {
  CMSG_NETIF_FE,
  CMSG_NETIF_FE_DRIVER_STATUS,
  CMSG_NETIF_FE_INTERFACE_CONNECT,
  CMSG_NETIF_FE_INTERFACE_DISCONNECT,
  CMSG_NETIF_FE_INTERFACE_QUERY,
  CMSG_NETIF_FE_INTERFACE_STATUS,
  control_msg,
  NETIF_DRIVER_STATUS_UP,
  netif_fe_driver_status,
  netif_fe_interface_connect,
  netif_fe_interface_disconnect,
  netif_fe_interface_query,
  netif_fe_interface_status,
} from '@port-xen/abi';
import { call, done, goto, leaf, PRI_KTHREAD, routine, type Text } from '@port-xen/kern';
import { i64, nest, struct, u32, type View } from '@port-xen/layout';
import { ACK_TICKS, DRAIN_TICKS } from './drain-ticks.ts';
import { NETIF_CONNECTED, NNETIF } from './netif-data.ts';
import type { XennetCtrlIf } from './xennet-ctrl-if.ts';
import { mfnAt } from './xennet-parts.ts';

/** Ticks between two tries to be known to a controller that does not answer. */
const RETRY_TICKS = 100;
const PAYLOAD = control_msg.offset.msg;

const serving = struct('netif_thread_locals', { parent: i64, handle: u32, pad: u32 });
const suspending = struct('netif_suspend_locals', {
  sc: i64,
  waited: u32,
  pad: u32,
  /** Of its own: the lwp may be in the midst of sending. */
  msg: nest(control_msg),
  rsp: nest(control_msg),
});

type Message = View<typeof control_msg>;

/** Makes a message, which carries zeroes. @returns the address of what it carries */
const fill = (msg: Message, subtype: number, length: number): number => {
  msg.memory.write(msg.address, new Uint8Array(control_msg.size));
  msg.type = CMSG_NETIF_FE;
  msg.subtype = subtype;
  msg.length = length;
  return msg.address + PAYLOAD;
};

const sendThat = (m: XennetCtrlIf, msg: Message, rsp: Message, then: string) => {
  const entry = m.cpu.sym('ctrl_if_send_message_and_get_response');
  return call(then, entry, msg.address, rsp.address);
};

/** The lwp's own message. */
const message = (m: XennetCtrlIf, subtype: number, length: number): number =>
  fill(m.d.nt_msg, subtype, length);

const send = (m: XennetCtrlIf, then: string) => sendThat(m, m.d.nt_msg, m.d.nt_rsp, then);

const sleep = (m: XennetCtrlIf, then: string, ticks = 0) =>
  call(then, m.cpu.sym('tsleep'), m.wchan, ticks);

export const netifText: Text<XennetCtrlIf> = {
  xennet_output: leaf((m, softc, packet) => m.tx.output(m.at(softc), packet)),
  xennet_handler: leaf((m) => m.handler()),
  xennet_softintr: leaf((m) => m.softintr()),

  /** (device above them): interfaces, once the controller says that there are any. */
  xennet_attach: leaf((m, parent) => {
    const { autoconf, sched } = m.parts.kern;
    m.establish();
    m.parts.ctrlIf.registerReceiver(CMSG_NETIF_FE, m.cpu.sym('xennet_ctrlif_rx'));
    m.d.nt_up = 1;
    m.d.nt_pending = 1;
    autoconf.pendingIncr();
    sched.create('netif', m.cpu.sym('netif_thread'), parent, PRI_KTHREAD);
  }),

  /** (message): from the controller. What is said of an interface that is not known yet is asked for again. */
  xennet_ctrlif_rx: leaf((m, msg) => {
    const { subtype, length } = control_msg.at(m.cpu.memory, msg);
    const said = netif_fe_interface_status.at(m.cpu.memory, msg + PAYLOAD);
    const known =
      subtype === CMSG_NETIF_FE_INTERFACE_STATUS &&
      length === netif_fe_interface_status.size &&
      said.handle < NNETIF;
    const sc = known ? m.d.softcs.at(said.handle) : undefined;
    if (sc?.nt_used === 1) m.statusChanged(sc, said.status, said.evtchn, said.mac);
    m.parts.ctrlIf.sendResponse(msg);
  }),

  /** (device above the interfaces). */
  netif_thread: routine(serving, {
    start: (_, l, parent) => {
      l.parent = parent;
      return goto('next');
    },
    next: (m, l) => {
      const { d } = m;
      if (d.nt_suspended !== 0) return sleep(m, 'next');
      if (d.nt_up !== 0) return goto('announce');
      for (const sc of m.all) {
        if (sc.nt_wanted === 0) continue;
        l.handle = sc.nt_unit;
        return goto('connect');
      }
      return sleep(m, 'next');
    },
    announce: (m, l) => {
      m.d.nt_up = 0;
      l.handle = 0;
      return goto('query');
    },
    query: (m, l) => {
      const at = message(m, CMSG_NETIF_FE_INTERFACE_QUERY, netif_fe_interface_query.size);
      netif_fe_interface_query.at(m.cpu.memory, at).handle = l.handle;
      return send(m, 'queried');
    },
    queried: (m, l, error) => {
      if (error !== 0) return goto('unheard');
      const { nt_rsp } = m.d;
      const said = netif_fe_interface_query.at(m.cpu.memory, nt_rsp.address + PAYLOAD);
      const mac = said.mac;
      const exists =
        nt_rsp.length === netif_fe_interface_query.size && mac.some((byte) => byte !== 0);
      const sc = m.d.softcs.at(l.handle);
      if (exists) m.create(l.handle, mac, l.parent);
      else if (sc.nt_used !== 0) {
        m.log.say(sc, 'this host has no such interface');
        m.absent(sc);
      }
      l.handle++;
      return l.handle < NNETIF ? goto('query') : goto('found');
    },
    found: (m) => {
      m.settled();
      return goto('up');
    },
    up: (m) => {
      const at = message(m, CMSG_NETIF_FE_DRIVER_STATUS, netif_fe_driver_status.size);
      netif_fe_driver_status.at(m.cpu.memory, at).status = NETIF_DRIVER_STATUS_UP;
      return send(m, 'told');
    },
    connect: (m, l) => {
      const sc = m.d.softcs.at(l.handle);
      sc.nt_wanted = 0;
      const at = message(m, CMSG_NETIF_FE_INTERFACE_CONNECT, netif_fe_interface_connect.size);
      const connect = netif_fe_interface_connect.at(m.cpu.memory, at);
      connect.handle = l.handle;
      connect.tx_shmem_frame = mfnAt(m.parts, sc.nt_tx.page);
      connect.rx_shmem_frame = mfnAt(m.parts, sc.nt_rx.page);
      return send(m, 'told');
    },
    told: (_, __, error) => goto(error === 0 ? 'next' : 'unheard'),
    /** The controller did not answer, or the domain left before it did: from the start, after a while. */
    unheard: (m) => {
      m.settled();
      m.d.nt_up = 1;
      return sleep(m, 'next', RETRY_TICKS);
    },
  }),

  /**
   * (softc): what is being sent is waited for, half a second at most, and what the stack has in flight, as over xenbus; then the back end
   * is asked to let go.
   */
  xennet_suspend: routine(suspending, {
    start: (m, l, softc) => {
      l.sc = softc;
      m.hold(m.at(softc));
      return goto('drain');
    },
    drain: (m, l) => {
      const sc = m.at(l.sc);
      const unanswered = l.waited < DRAIN_TICKS && sc.nt_busy > 0;
      const unacknowledged = l.waited < ACK_TICKS && m.parts.stack.inFlight > 0;
      if (sc.nt_status === NETIF_CONNECTED && (unanswered || unacknowledged)) {
        l.waited++;
        const channel = unanswered ? m.tx.idleChannel(sc) : l.address;
        return call('drain', m.cpu.sym('tsleep'), channel, 1);
      }
      m.d.nt_suspended = 1;
      // Connected or not: it may be, and not have been heard of.
      const { size } = netif_fe_interface_disconnect;
      const at = fill(l.msg, CMSG_NETIF_FE_INTERFACE_DISCONNECT, size);
      netif_fe_interface_disconnect.at(m.cpu.memory, at).handle = sc.nt_unit;
      return sendThat(m, l.msg, l.rsp, 'gone');
    },
    gone: (m, l) => {
      const sc = m.at(l.sc);
      m.log.say(sc, `suspended, port ${sc.nt_evtchn} let go, ${sc.nt_busy} packets unanswered`);
      m.letGo(sc);
      return done(1);
    },
  }),

  /** (softc, cancelled): as at the boot, whichever it was; the channel was closed before. */
  xennet_resume: leaf((m) => {
    m.d.nt_suspended = 0;
    m.d.nt_up = 1;
    m.parts.kern.sched.wakeup(m.wchan);
    return 1;
  }),
};
