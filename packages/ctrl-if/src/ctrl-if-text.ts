/*
 * The control interface's text: its interrupt, its lwp, sending that waits, suspend and resume.
 */
import { control_msg } from '@port-xen/abi';
import { call, done, EAGAIN, goto, leaf, routine, type Text } from '@port-xen/kern';
import { i32, i64, nest, struct, u32, u64 } from '@port-xen/layout';
import type { CtrlIf } from './ctrl-if.ts';
import { TX_TIMEOUT_TICKS } from './ctrl-if-tx.ts';
import { ETIMEDOUT } from './errno.ts';

/** Ticks that a suspend waits for messages to be answered. */
export const DRAIN_TICKS = 500;

const sending = struct('ctrl_if_send_locals', { msg: i64, func: i64, arg: i64, until: u64 });

const asking = struct('ctrl_if_asking', {
  /** Where the caller wants the response. */
  rsp: i64,
  done: u32,
  error: i32,
  response: nest(control_msg),
});

const serving = struct('ctrl_if_thread_locals', { pad: u64 });
const suspending = struct('ctrl_if_suspend_locals', { until: u64 });

export const ctrlIfText: Text<CtrlIf> = {
  ctrl_if_interrupt: leaf((m) => m.handler()),
  ctrl_if_txmsg_timeout: leaf((m, mapping) => m.timeout(mapping)),

  /** The lwp for handlers that may wait. */
  ctrl_if_thread: routine(serving, {
    next: (m) => {
      // What there was no place for may have one now.
      if (m.d.ctrl_if_rx_backlog !== 0) m.receive();
      const msg = m.takeDeferred();
      if (msg === 0) return call('next', m.cpu.sym('tsleep'), m.deferredChannel, 0);
      const func = m.d.ctrl_if_rxmsg_handler.get(m.msgAt(msg).type);
      if (func !== 0) return call('next', func, msg);
      m.refuse(msg);
      return goto('next');
    },
  }),

  /**
   * (msg, func, arg): as sendNoblock, waiting for room. A message that finds no room in ten seconds is not sent.
   * @returns 0, EINVAL, ETIMEDOUT
   */
  ctrl_if_send_message_block: routine(sending, {
    start: (m, l, msg, func, arg) => {
      l.msg = msg;
      l.func = func;
      l.arg = arg;
      l.until = m.kern.callout.ticks + TX_TIMEOUT_TICKS;
      return goto('try');
    },
    try: (m, l) => {
      const error = m.sendNoblock(l.msg, l.func, l.arg);
      if (error !== EAGAIN) return done(error);
      const left = l.until - m.kern.callout.ticks;
      if (left <= 0) return done(ETIMEDOUT);
      return call('try', m.cpu.sym('tsleep'), m.roomChannel, left);
    },
  }),

  /**
   * (msg, rsp): sends, waits for the response, and copies it to `rsp`.
   * @returns 0, EINVAL, EIO when the response makes no sense, ETIMEDOUT when there is none, ECONNRESET when the domain has left meanwhile
   */
  ctrl_if_send_message_and_get_response: routine(asking, {
    start: (m, l, msg, rsp) => {
      l.rsp = rsp;
      l.done = 0;
      const got = m.cpu.sym('ctrl_if_get_response');
      return call('sent', m.cpu.sym('ctrl_if_send_message_block'), msg, got, l.address);
    },
    sent: (_, __, error) => (error === 0 ? goto('wait') : done(error)),
    wait: (m, l) => {
      if (l.done === 0) return call('wait', m.cpu.sym('tsleep'), l.address, 0);
      if (l.error === 0) m.copyMsg(l.rsp, l.response.address);
      return done(l.error);
    },
  }),

  /** (asker's locals, message, errno). */
  ctrl_if_get_response: leaf((m, asker, msg, error) => {
    const l = asking.at(m.cpu.memory, asker);
    l.done = 1;
    l.error = error;
    if (error === 0) m.copyMsg(l.response.address, msg);
    m.kern.sched.wakeup(asker);
  }),

  /** Brings every message to its end, then lets go of the channel. */
  ctrl_if_suspend: routine(suspending, {
    start: (m, l) => {
      l.until = m.kern.callout.ticks + DRAIN_TICKS;
      m.d.ctrl_if_draining = 1;
      return goto('drain');
    },
    drain: (m, l) => {
      m.poll();
      const left = l.until - m.kern.callout.ticks;
      if ((!m.drainedSent || !m.drainedReceived) && left > 0) {
        return call('drain', m.cpu.sym('tsleep'), m.drainChannel, left);
      }
      m.d.ctrl_if_draining = 0;
      m.settleReceived();
      m.disconnect();
      return done(1);
    },
  }),

  /** (_, cancelled): takes the channel that start_info names; a restored domain's ring is a new one. */
  ctrl_if_resume: leaf((m, _, cancelled) => {
    if (cancelled === 0) {
      m.settleSent();
      m.resynchronise();
    }
    m.connect();
    m.release();
    return 1;
  }),
};
