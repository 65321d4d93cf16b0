/** What a test can have the kernel do. */
import { control_msg } from '@port-xen/abi';
import { call, done, goto, KERNBASE, leaf, PAGE_SIZE, routine, type Text } from '@port-xen/kern';
import { i64, nest, struct } from '@port-xen/layout';
import { CALLBACK_IN_BLOCKING_CONTEXT } from '../src/index.ts';
import { type Probe, piece, TYPE_ECHO, TYPE_HELD, TYPE_SLOW, TYPE_STUCK } from './probe-kernel.ts';

const locals = struct('probe_locals', { owner: i64, msg: nest(control_msg) });

export const probeText: Text<Probe> = {
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
      m.console.listen();
      m.shutdown.attach();
      const console = autoconf.attach('console0', dv.address, 0);
      autoconf.pmfRegister(console, cpu.sym('probe_away'), cpu.sym('probe_back'));
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

  // A console beside the kernel's own: what is printed on it goes through the control interface.

  probe_away: leaf((m) => {
    m.console.suspend();
    return 1;
  }),
  probe_back: leaf((m) => {
    m.console.resume();
    return 1;
  }),
  /** (from, to): prints numbered pieces. */
  probe_print: leaf((m, from, to) => {
    for (let n = from; n < to; n++) {
      m.console.queue(Uint8Array.from(piece(n), (char) => char.charCodeAt(0)));
    }
  }),
  /** (reply, most): reads what was typed. @returns how many bytes */
  probe_read: leaf((m, reply, most) => {
    const bytes = m.console.peek(most);
    m.base.cpu.memory.write(reply, bytes);
    m.console.consume(bytes.length);
    return bytes.length;
  }),
  /** Takes the oldest shutdown request: its first letter, 0 when there is none. */
  probe_asked: leaf((m) => m.shutdown.take().charCodeAt(0) || 0),
  probe_drained: leaf((m) => (m.console.drained ? 1 : 0)),

  /** (n): an lwp that asks so many times, one after the other. */
  probe_cycles: routine(locals, {
    start: (_, l, n) => {
      l.owner = n;
      return goto('ask');
    },
    ask: (m, l) => {
      if (l.owner === 0) return done();
      const msg = m.compose(TYPE_ECHO, 0, 1, l.owner & 0xff);
      m.ctrlIf.copyMsg(l.msg.address, msg);
      const ask = m.base.cpu.sym('ctrl_if_send_message_and_get_response');
      return call('answered', ask, l.msg.address, l.msg.address);
    },
    answered: (m, l, error) => {
      const { d } = m;
      if (error !== 0) d.cycles_failed++;
      else if (m.ctrlIf.msgAt(l.msg.address).msg[0] === (l.owner & 0xff)) d.cycles_right++;
      l.owner--;
      return goto('ask');
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

  /** (type): who echoes listens no more. */
  probe_unregister: leaf((m, type) =>
    m.ctrlIf.unregisterReceiver(type, m.base.cpu.sym('probe_echo')) ? 1 : 0,
  ),

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
