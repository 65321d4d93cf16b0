/*
 * A kernel with a control interface in a page of its own: what a restore does to shared_info's page the kernel does to it itself, and
 * start_info's port is one that it allocates. Everything else is as on a real host.
 */
import { CONTROL_IF_OFFSET, CONTROL_RING_SIZE, control_msg } from '@port-xen/abi';
import { Evtchn, evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import {
  call,
  done,
  goto,
  KERNBASE,
  type KernelImage,
  leaf,
  PAGE_SIZE,
  routine,
  type Text,
} from '@port-xen/kern';
import {
  array,
  BytesMemory,
  bytes,
  i32,
  i64,
  nest,
  struct,
  u32,
  type View,
} from '@port-xen/layout';
import { type TestBase, testKernel } from '@tooling/guest-testbed';
import {
  CALLBACK_IN_BLOCKING_CONTEXT,
  CtrlIf,
  CtrlIfShutdown,
  ctrl_if_data,
  ctrl_if_shutdown_data,
  ctrlIfShutdownText,
  ctrlIfText,
} from '../src/index.ts';

/** Types that the probe receives: answered at once, by the lwp, and when the test says so. */
export const TYPE_ECHO = 100;
export const TYPE_SLOW = 101;
export const TYPE_HELD = 102;
/** Who is registered for TYPE_STUCK takes it in the lwp, and answers when the test says so. */
export const TYPE_STUCK = 103;

/** How often an owner can be told, by the argument that it gave. */
export const NOWNER = 64;
const NHELD = 32;

const page = struct('probe_page', { page: bytes(PAGE_SIZE) });

export const probe_data = struct('probe_data', {
  port: u32,
  nheld: u32,
  /** Requests that their handlers have and have not answered. */
  held: array(i64, NHELD),
  /** By owner: how often it was told of a response, of an error, which one, and the first byte of the response. */
  answered: array(u32, NOWNER),
  failed: array(u32, NOWNER),
  error: array(i32, NOWNER),
  byte: array(u32, NOWNER),
  /** Handlers that have run, by type's last digit. */
  handled: array(u32, 10),
  spaces: u32,
  go: u32,
  /** What sending came to between the suspend and the resume. */
  late: i32,
  msg: nest(control_msg),
});

/** What probe_state answers. */
export const probe_state = struct('probe_state', {
  probe: nest(probe_data),
  unsolicited: u32,
  refused: u32,
  /** Requests that have not been answered, and ids that are taken. */
  unanswered: u32,
  ids: u32,
});

class Probe {
  readonly base: TestBase;
  readonly data: number;
  readonly page: number;
  readonly evtchn: Evtchn;
  readonly ctrlIf: CtrlIf;

  constructor(
    base: TestBase,
    data: number,
    at: number,
    evtchn: Evtchn,
    make: typeof CtrlIf,
    own: number,
  ) {
    this.base = base;
    this.data = data;
    this.page = at;
    this.evtchn = evtchn;
    this.ctrlIf = new make(base.cpu, own, base.kern, evtchn, at + CONTROL_IF_OFFSET, this);
  }

  get d(): View<typeof probe_data> {
    return probe_data.at(this.base.cpu.memory, this.data);
  }

  get domainControllerEvtchn(): number {
    return this.d.port;
  }

  /** What an owner is told. */
  told(owner: number, msg: number, error: number): void {
    const { d } = this;
    if (error === 0) d.answered.set(owner, d.answered.get(owner) + 1);
    else d.failed.set(owner, d.failed.get(owner) + 1);
    d.error.set(owner, error);
    if (error === 0) d.byte.set(owner, this.ctrlIf.msgAt(msg).msg[0] ?? 0);
  }

  /** A handler runs. */
  ran(msg: number): void {
    const { handled } = this.d;
    const at = this.ctrlIf.msgAt(msg).type % 10;
    handled.set(at, handled.get(at) + 1);
  }

  hold(msg: number): void {
    const { d } = this;
    d.held.set(d.nheld % NHELD, msg);
    d.nheld++;
  }

  /** What the test wants to know of all this. */
  state(): Uint8Array {
    const { d, ctrlIf } = this;
    const out = new Uint8Array(probe_state.size);
    const s = probe_state.at(new BytesMemory(out), 0);
    this.base.cpu.memory.read(d.address, out.subarray(0, probe_data.size));
    const own = ctrlIf.d;
    s.unsolicited = own.ctrl_if_unsolicited;
    s.refused = own.ctrl_if_refused;
    s.unanswered = ctrlIf.unanswered;
    for (let id = 0; id < CONTROL_RING_SIZE; id++) {
      s.ids += own.ctrl_if_txmsg_id_mapping.at(id).tm_used;
    }
    return out;
  }

  compose(type: number, subtype: number, length: number, first: number): number {
    const { msg } = this.d;
    msg.type = type;
    msg.subtype = subtype;
    msg.length = length;
    const payload = new Uint8Array(60);
    payload[0] = first;
    msg.msg = payload;
    return msg.address;
  }
}

const locals = struct('probe_locals', { owner: i64, msg: nest(control_msg) });

const text: Text<Probe> = {
  probe_attach: routine(locals, {
    start: (m, _, hypervisor) => {
      const { autoconf } = m.base.kern;
      const { cpu } = m.base;
      m.d.port = m.evtchn.allocUnbound(0);
      m.ctrlIf.init();
      m.ctrlIf.registerReceiver(TYPE_ECHO, cpu.sym('probe_echo'));
      m.ctrlIf.registerReceiver(TYPE_HELD, cpu.sym('probe_hold'));
      m.ctrlIf.registerReceiver(TYPE_SLOW, cpu.sym('probe_slow'), CALLBACK_IN_BLOCKING_CONTEXT);
      m.ctrlIf.registerReceiver(TYPE_STUCK, cpu.sym('probe_stuck'), CALLBACK_IN_BLOCKING_CONTEXT);
      m.ctrlIf.onSpace(cpu.sym('probe_space'));
      const dv = autoconf.attach('ctrlif0', hypervisor, 0);
      autoconf.pmfRegister(dv, cpu.sym('ctrl_if_suspend'), cpu.sym('probe_resume'));
      return done();
    },
  }),

  /** (_, cancelled): a restored domain has a new page and a new port. */
  probe_resume: leaf((m, _, cancelled) => {
    if (cancelled === 0) {
      m.base.cpu.memory.write(m.page, new Uint8Array(PAGE_SIZE));
      m.d.port = m.evtchn.allocUnbound(0);
    }
    return m.base.cpu.call(m.base.cpu.sym('ctrl_if_resume'), 0, cancelled);
  }),

  probe_port: leaf((m) => m.d.port),
  probe_mfn: leaf((m) => m.base.pmap.mfnOf(m.page - KERNBASE)),
  /** (reply): where the test reads it. */
  probe_state: leaf((m, reply) => m.base.cpu.memory.write(reply, m.state())),

  /** (type, length, first byte, owner, timeout_ticks): sends without waiting; owner -1 is nobody. */
  probe_send: leaf((m, type, length, first, owner, timeout_ticks) => {
    const msg = m.compose(type, 0, length, first);
    const func = owner < 0 ? 0 : m.base.cpu.sym('probe_told');
    return m.ctrlIf.sendNoblock(msg, func, owner, timeout_ticks);
  }),
  /** (owner, message, errno). */
  probe_told: leaf((m, owner, msg, error) => m.told(owner, msg, error)),
  probe_space: leaf((m) => {
    m.d.spaces++;
  }),

  /** (owner): an lwp that asks and waits for its answer. */
  probe_ask: routine(locals, {
    start: (m, l, owner) => {
      l.owner = owner;
      const msg = m.compose(TYPE_ECHO, 0, 1, owner);
      m.ctrlIf.copyMsg(l.msg.address, msg);
      const ask = m.base.cpu.sym('ctrl_if_send_message_and_get_response');
      return call('answered', ask, l.msg.address, l.msg.address);
    },
    answered: (m, l, error) => {
      m.told(l.owner, error === 0 ? l.msg.address : 0, error);
      return done();
    },
  }),

  /** Attaches a device that is suspended after the control interface, and says something then. */
  probe_attach_late: leaf((m) => {
    const { autoconf } = m.base.kern;
    const mainbus = autoconf.devices()[0]?.address ?? 0;
    const dv = autoconf.attach('late0', mainbus, 0);
    autoconf.pmfRegister(dv, m.base.cpu.sym('probe_late'), 0);
  }),
  probe_late: leaf((m) => {
    m.d.late = m.ctrlIf.sendNoblock(m.compose(TYPE_ECHO, 0, 1, 77));
    return 1;
  }),

  probe_echo: leaf((m, msg) => {
    m.ran(msg);
    m.ctrlIf.sendResponse(msg);
  }),
  probe_hold: leaf((m, msg) => {
    m.ran(msg);
    m.hold(msg);
  }),
  probe_slow: routine(locals, {
    start: (m, l, msg) => {
      l.owner = msg;
      m.ran(msg);
      return call('slept', m.base.cpu.sym('tsleep'), l.address, 2);
    },
    slept: (m, l) => {
      m.ctrlIf.sendResponse(l.owner);
      return done();
    },
  }),
  probe_stuck: routine(locals, {
    start: (m, l, msg) => {
      l.owner = msg;
      m.ran(msg);
      return goto('wait');
    },
    wait: (m, l) => {
      if (m.d.go === 0) return call('wait', m.base.cpu.sym('tsleep'), m.data, 0);
      m.d.go--;
      m.ctrlIf.sendResponse(l.owner);
      return done();
    },
  }),
  probe_go: leaf((m) => {
    m.d.go++;
    m.base.kern.sched.wakeup(m.data);
  }),
  /** Answers the request at a place among those held. @returns 1, 0 when that was refused */
  probe_release: leaf((m, at) => (m.ctrlIf.sendResponse(m.d.held.get(at)) ? 1 : 0)),
  probe_forget: leaf((m) => {
    m.d.nheld = 0;
  }),
};

/** @param make the control interface, or one that lacks a step */
export const probeImage = (make: typeof CtrlIf = CtrlIf): KernelImage =>
  testKernel({
    attach: 'probe_attach',
    modules: {
      evtchn: { data: evtchn_data, text: evtchnText },
      upcall: { text: upcallText },
      ctrlIf: { data: ctrl_if_data, text: ctrlIfText },
      shutdown: { data: ctrl_if_shutdown_data, text: ctrlIfShutdownText },
      probePage: { data: page, align: PAGE_SIZE },
      probe: { data: probe_data, text },
    },
    link: (base, at) => {
      const evtchn = new Evtchn(base.cpu, at('evtchn'), base.kern);
      const probe = new Probe(base, at('probe'), at('probePage'), evtchn, make, at('ctrlIf'));
      const shutdown = new CtrlIfShutdown(at('shutdown'), probe.ctrlIf, base.kern.msgbuf);
      const upcall = { evtchn, sched: base.kern.sched };
      return { evtchn, linked: { evtchn, upcall, ctrlIf: probe.ctrlIf, shutdown, probe } };
    },
  });
