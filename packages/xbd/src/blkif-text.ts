/*
 * The interface's lwp, and what the controller has to say to it.
 *
 *     DRIVER_STATUS UP ─► INTERFACE_STATUS DISCONNECTED ─► INTERFACE_CONNECT ─► INTERFACE_STATUS CONNECTED ─► probe ─► disks
 *
 * A boot and a restore go the same way; in a restored domain the disks are known, and what they had asked for is issued again. Messages
 * are taken where they come in, and what may wait is left to the lwp.
 */
import {
  BLKIF_DRIVER_STATUS_UP,
  BLKIF_INTERFACE_STATUS_CONNECTED,
  blkif_fe_driver_status,
  blkif_fe_interface_connect,
  blkif_fe_interface_status,
  CMSG_BLKIF_FE,
  CMSG_BLKIF_FE_DRIVER_STATUS,
  CMSG_BLKIF_FE_INTERFACE_CONNECT,
  CMSG_BLKIF_FE_INTERFACE_STATUS,
  control_msg,
} from '@port-xen/abi';
import { call, EIO, goto, leaf, PRI_KTHREAD, routine, type Text } from '@port-xen/kern';
import { i64, struct } from '@port-xen/layout';
import { PROBE_ANSWERED, PROBE_OUT, WANT_CONNECT, WANT_SCAN, WANT_UP } from './blkif-data.ts';
import { PROBE_MAX, scanned } from './scan.ts';
import type { XbdCtrlIf } from './xbd-ctrl-if.ts';

/** The one interface that a domain has. */
const HANDLE = 0;
/** Ticks between two tries to be known to a controller that does not answer. */
const RETRY_TICKS = 100;

const serving = struct('blkif_thread_locals', { pad: i64, pad1: i64 });

const PAYLOAD = control_msg.offset.msg;

/** A message of ours, empty. @returns the address of what it carries */
const message = (m: XbdCtrlIf, subtype: number, length: number): number => {
  const { if_msg } = m.blkif.sc;
  m.cpu.memory.write(if_msg.address, new Uint8Array(control_msg.size));
  if_msg.type = CMSG_BLKIF_FE;
  if_msg.subtype = subtype;
  if_msg.length = length;
  return if_msg.address + PAYLOAD;
};

const send = (m: XbdCtrlIf, then: string) => {
  const { if_msg, if_rsp } = m.blkif.sc;
  const entry = m.cpu.sym('ctrl_if_send_message_and_get_response');
  return call(then, entry, if_msg.address, if_rsp.address);
};

const sleep = (m: XbdCtrlIf, then: string, ticks = 0) =>
  call(then, m.cpu.sym('tsleep'), m.blkif.wchan, ticks);

export const blkifText: Text<XbdCtrlIf> = {
  /** (hypervisor0): the interface, and disks once there are any. */
  xbd_attach: leaf((m, hypervisor) => {
    const { autoconf, sched } = m.kern;
    const dv = autoconf.attach('blkif0', hypervisor, 0);
    autoconf.pmfRegister(dv, m.cpu.sym('blkif_suspend'), m.cpu.sym('blkif_resume'));
    m.blkif.sc.if_dev = dv.address;
    m.ctrlIf.registerReceiver(CMSG_BLKIF_FE, m.cpu.sym('xbd_ctrlif_rx'));
    m.blkif.attach(m.uvm);
    sched.create('blkif', m.cpu.sym('blkif_thread'), 0, PRI_KTHREAD);
  }),

  /** (message): from the controller. */
  xbd_ctrlif_rx: leaf((m, msg) => {
    const { subtype, length } = control_msg.at(m.cpu.memory, msg);
    const said = blkif_fe_interface_status.at(m.cpu.memory, msg + PAYLOAD);
    const known =
      subtype === CMSG_BLKIF_FE_INTERFACE_STATUS &&
      length === blkif_fe_interface_status.size &&
      said.handle === HANDLE;
    if (known) m.blkif.statusChanged(said.status, said.evtchn);
    else m.kern.msgbuf.printf(`blkif0: the controller sent what is not known (${subtype})\n`);
    m.ctrlIf.sendResponse(msg);
  }),

  xbd_response_handler: leaf((m) => m.handler()),

  blkif_thread: routine(serving, {
    next: (m) => {
      const { sc } = m.blkif;
      if (sc.if_wanted === 0 || sc.if_suspended !== 0) return sleep(m, 'next');
      if ((sc.if_wanted & WANT_UP) !== 0) return goto('announce');
      if ((sc.if_wanted & WANT_CONNECT) !== 0) return goto('connect');
      return goto('scan');
    },
    announce: (m) => {
      m.blkif.sc.if_wanted &= ~WANT_UP;
      const at = message(m, CMSG_BLKIF_FE_DRIVER_STATUS, blkif_fe_driver_status.size);
      blkif_fe_driver_status.at(m.cpu.memory, at).status = BLKIF_DRIVER_STATUS_UP;
      return send(m, 'announced');
    },
    announced: (_, __, error) => goto(error === 0 ? 'next' : 'unheard'),
    connect: (m) => {
      const { sc } = m.blkif;
      sc.if_wanted &= ~WANT_CONNECT;
      const at = message(m, CMSG_BLKIF_FE_INTERFACE_CONNECT, blkif_fe_interface_connect.size);
      const connect = blkif_fe_interface_connect.at(m.cpu.memory, at);
      connect.handle = HANDLE;
      connect.shmem_frame = m.pmap.mfnOf(m.pmap.extract(0, sc.if_ring_page));
      return send(m, 'connecting');
    },
    connecting: (_, __, error) => goto(error === 0 ? 'next' : 'unheard'),
    /** The controller did not answer, or the domain left before it did: from the start, after a while. */
    unheard: (m) => {
      m.blkif.settled();
      m.blkif.sc.if_wanted |= WANT_UP;
      return sleep(m, 'next', RETRY_TICKS);
    },
    scan: (m) => {
      const { sc } = m.blkif;
      // The next answer makes room.
      if (sc.if_state !== BLKIF_INTERFACE_STATUS_CONNECTED || !m.probe()) return sleep(m, 'next');
      sc.if_wanted &= ~WANT_SCAN;
      return goto('probing');
    },
    probing: (m) => {
      const { sc } = m.blkif;
      if (sc.if_probe === PROBE_OUT) return sleep(m, 'probing');
      const { if_probe, if_probed } = sc;
      sc.if_probe = 0;
      if (if_probe !== PROBE_ANSWERED) return goto('next');
      if (if_probed < 0 || if_probed > PROBE_MAX) {
        m.blkif.close(`the back end answered ${if_probed} to a probe`, EIO);
        return goto('next');
      }
      scanned(m, if_probed);
      m.blkif.settled();
      return goto('next');
    },
  }),

  /** (0). */
  blkif_suspend: leaf((m) => {
    m.blkif.suspend();
    return 1;
  }),

  /** (0, cancelled). */
  blkif_resume: leaf((m, _, cancelled) => {
    m.blkif.resume(cancelled !== 0);
    return 1;
  }),
};
