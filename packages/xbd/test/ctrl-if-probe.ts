/*
 * A kernel with disks over the controller interface. There is no controller interface: what the driver sends is written down for the
 * test, which answers, and what the test says is given to the driver.
 */
import {
  BLKIF_INTERFACE_STATUS_CHANGED,
  blkif_fe_interface_status,
  CMSG_BLKIF_FE,
  CMSG_BLKIF_FE_INTERFACE_STATUS,
  control_msg,
} from '@port-xen/abi';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { call, done, type KernelImage, leaf, routine, type Text } from '@port-xen/kern';
import { copy, i32, i64, nest, struct, u32 } from '@port-xen/layout';
import { testKernel } from '@tooling/guest-testbed';
import { XbdCtrlIf, xbd_blkif_data, xbdCtrlIfText } from '../src/index.ts';
import { type Probe, probe_data, probeText } from './probe-text.ts';

const controller_data = struct('probe_controller_data', {
  /** The message that waits for an answer; its subtype, and 0 in `waits` when there is none. */
  waits: u32,
  error: i32,
  asked: nest(control_msg),
  told: nest(control_msg),
});

const asking = struct('probe_asking', { msg: i64, rsp: i64 });

interface ControllerProbe extends Probe {
  readonly xbd: XbdCtrlIf;
  readonly controller: number;
}

const c = (m: ControllerProbe) => controller_data.at(m.base.cpu.memory, m.controller);

/** The controller says something of an interface. */
const tell = (
  m: ControllerProbe,
  status: number,
  port: number,
  handle: number,
  length: number,
): void => {
  const { told } = c(m);
  told.type = CMSG_BLKIF_FE;
  told.subtype = CMSG_BLKIF_FE_INTERFACE_STATUS;
  told.length = length;
  const payload = told.address + control_msg.offset.msg;
  const said = blkif_fe_interface_status.at(m.base.cpu.memory, payload);
  said.handle = handle;
  said.status = status;
  said.evtchn = port;
  m.base.cpu.call(m.base.cpu.sym('xbd_ctrlif_rx'), told.address);
};

const text: Text<ControllerProbe> = {
  ...probeText,

  /** (msg, rsp): waits until the test has answered. */
  ctrl_if_send_message_and_get_response: routine(asking, {
    start: (m, l, msg, rsp) => {
      l.rsp = rsp;
      copy(m.base.cpu.memory, c(m).asked.address, msg, control_msg.size);
      c(m).waits = 1;
      return call('wait', m.base.cpu.sym('tsleep'), m.controller, 0);
    },
    wait: (m, l) => {
      if (c(m).waits !== 0) return call('wait', m.base.cpu.sym('tsleep'), m.controller, 0);
      copy(m.base.cpu.memory, l.rsp, c(m).asked.address, control_msg.size);
      return done(c(m).error);
    },
  }),

  /** @returns the subtype of the message that waits; -1 when none does */
  probe_asked: leaf((m) => (c(m).waits === 0 ? -1 : c(m).asked.subtype)),
  /** @returns the frame that the INTERFACE_CONNECT names */
  probe_asked_frame: leaf((m) =>
    m.base.cpu.memory.ld32(c(m).asked.address + control_msg.offset.msg + 8),
  ),
  /** (errno): the driver is answered. */
  probe_answer: leaf((m, error) => {
    c(m).waits = 0;
    c(m).error = error;
    m.base.kern.sched.wakeup(m.controller);
  }),
  /** (status, port, handle, length): INTERFACE_STATUS. */
  probe_tell: leaf((m, status, port, handle, length) => tell(m, status, port, handle, length)),
  /** Attaches a device during whose suspend, the interface's being over, the controller says that there is another disk. */
  probe_attach_teller: leaf((m) => {
    const { autoconf } = m.base.kern;
    const dv = autoconf.attach('teller0', autoconf.devices()[0]?.address ?? 0, 0);
    autoconf.pmfRegister(dv, m.base.cpu.sym('probe_teller_suspend'), 0);
  }),
  probe_teller_suspend: routine(asking, {
    start: (m) => {
      tell(m, BLKIF_INTERFACE_STATUS_CHANGED, 0, 0, blkif_fe_interface_status.size);
      return call('slept', m.base.cpu.sym('tsleep'), m.data, 2);
    },
    slept: () => done(1),
  }),
  probe_interface: leaf((m) => m.xbd.blkif.sc.if_state),
  probe_port: leaf((m) => m.xbd.blkif.sc.if_evtchn),
  probe_ring_room: leaf((m) => m.xbd.blkif.ring.free),
};

export const ctrlIfImage: KernelImage = testKernel({
  attach: 'xbd_attach',
  modules: {
    evtchn: { data: evtchn_data, text: evtchnText },
    upcall: { text: upcallText },
    xbd: { data: xbd_blkif_data, text: xbdCtrlIfText },
    controller: { data: controller_data },
    probe: { data: probe_data, text },
  },
  link: (base, at) => {
    const { cpu, kern, pmap } = base;
    const evtchn = new Evtchn(cpu, at('evtchn'), kern);
    const ctrlIf = { registerReceiver: () => true, sendResponse: () => true };
    const xbd = new XbdCtrlIf(cpu, at('xbd'), kern, evtchn, pmap, base, ctrlIf);
    const probe = { base, xbd, data: at('probe'), controller: at('controller') };
    const linked = { evtchn, upcall: { evtchn, sched: kern.sched }, xbd, probe };
    return { evtchn, linked };
  },
});
