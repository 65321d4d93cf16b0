/*
 * xenstore requests as routines (xenbus_xs.c). Paths and values are NUL-terminated bytes in memory; results are a length or -errno.
 */
import {
  XS_DIRECTORY,
  XS_READ,
  XS_RM,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WRITE,
  xsd_sockmsg,
} from '@port-xen/abi';
import { call, done, goto, type Routine, routine, type Text } from '@port-xen/kern';
import { bytes, i64, struct, u32, u64 } from '@port-xen/layout';
import { getString, numberOf, putString, XS_STRING_MAX } from './guest-string.ts';
import type { Xenbus } from './xenbus.ts';
import { XS_EIO } from './xs-errno.ts';

const talking = struct('xs_talkv_locals', {
  tx: u64,
  payload: i64,
  length: u32,
  type: u32,
  reply: i64,
  max: u64,
  /** Bytes of header and payload in the ring. */
  sent: u32,
  header: bytes(xsd_sockmsg.size),
});

const OFFSET_HEADER = talking.offset.header;

/** A path, and a value behind its NUL. */
const requesting = struct('xs_request_locals', {
  payload: bytes(2 * XS_STRING_MAX),
  answer: bytes(16),
});

/** A request whose payload is a path. (tx, path, reply, max). */
const onPath = (type: number): Routine<Xenbus> =>
  routine(requesting, {
    start: (m, l, tx, path, reply, max) => {
      const text = getString(m.cpu.memory, path);
      putString(m.cpu.memory, l.address, text);
      return call(
        'answered',
        m.cpu.sym('xs_talkv'),
        type,
        tx,
        l.address,
        text.length + 1,
        reply,
        max,
      );
    },
    answered: (_, __, result) => done(result),
  });

/** A request about a watch: its node and its token. (watch). */
const onWatch = (type: number): Routine<Xenbus> =>
  routine(requesting, {
    start: (m, l, w) => {
      const { memory } = m.cpu;
      const node = m.watches.nodeOf(w);
      const token = m.watches.tokenOf(w);
      putString(memory, l.address, node);
      putString(memory, l.address + node.length + 1, token);
      const length = node.length + token.length + 2;
      return call('answered', m.cpu.sym('xs_talkv'), type, 0, l.address, length, 0, 0);
    },
    answered: (_, __, result) => done(result),
  });

export const xsText: Text<Xenbus> = {
  /**
   * (type, tx, payload, length, reply, max): one request and its reply; waits its turn, for room, and for the answer.
   * @returns the reply's length with up to max - 1 bytes and a NUL at `reply`, or -errno
   */
  xs_talkv: routine(talking, {
    start: (_, l, type, tx, payload, length, reply, max) => {
      l.type = type;
      l.tx = tx;
      l.payload = payload;
      l.length = length;
      l.reply = reply;
      l.max = max;
      return goto('lock');
    },
    lock: (m, l) => {
      if (!m.xs.tryLock()) return call('lock', m.cpu.sym('tsleep'), m.xs.lockChannel, 0);
      const header = xsd_sockmsg.at(m.cpu.memory, l.address + OFFSET_HEADER);
      header.type = l.type;
      header.req_id = m.xs.begin();
      header.tx_id = l.tx;
      header.len = l.length;
      return goto('send');
    },
    send: (m, l) => {
      const head = xsd_sockmsg.size;
      const wrote =
        l.sent < head
          ? m.comms.write(l.address + OFFSET_HEADER + l.sent, head - l.sent)
          : m.comms.write(l.payload + l.sent - head, l.length + head - l.sent);
      if (wrote < 0) {
        m.xs.unlock();
        return done(-XS_EIO);
      }
      l.sent += wrote;
      if (l.sent === head + l.length) return goto('wait');
      return wrote > 0 ? goto('send') : call('send', m.cpu.sym('tsleep'), m.comms.roomChannel, 0);
    },
    wait: (m, l) => {
      if (!m.xs.replied) return call('wait', m.cpu.sym('tsleep'), m.xs.replyChannel, 0);
      const result = m.xs.result(l.type);
      if (result >= 0 && l.max > 0) m.xs.copyReply(l.reply, l.max);
      m.xs.unlock();
      return done(result);
    },
  }),

  xs_read: onPath(XS_READ),
  xs_directory: onPath(XS_DIRECTORY),
  xs_rm: onPath(XS_RM),

  /** (tx, path, value). */
  xs_write: routine(requesting, {
    start: (m, l, tx, path, value) => {
      const { memory } = m.cpu;
      const name = getString(memory, path);
      const text = getString(memory, value);
      putString(memory, l.address, name);
      putString(memory, l.address + name.length + 1, text);
      const length = name.length + 1 + text.length;
      return call('answered', m.cpu.sym('xs_talkv'), XS_WRITE, tx, l.address, length, 0, 0);
    },
    answered: (_, __, result) => done(result),
  }),

  /** () → a transaction's id, or -errno. */
  xs_transaction_start: routine(requesting, {
    start: (m, l) => {
      const answer = l.address + requesting.offset.answer;
      return call(
        'answered',
        m.cpu.sym('xs_talkv'),
        XS_TRANSACTION_START,
        0,
        l.address,
        1,
        answer,
        16,
      );
    },
    answered: (m, l, result) => {
      if (result < 0) return done(result);
      return done(numberOf(getString(m.cpu.memory, l.address + requesting.offset.answer)));
    },
  }),

  /** (tx, abort). */
  xs_transaction_end: routine(requesting, {
    start: (m, l, tx, abort) => {
      putString(m.cpu.memory, l.address, abort === 0 ? 'T' : 'F');
      return call('answered', m.cpu.sym('xs_talkv'), XS_TRANSACTION_END, tx, l.address, 2, 0, 0);
    },
    answered: (_, __, result) => done(result),
  }),

  /** (watch): registers it; it fires once at once. */
  xs_watch: onWatch(XS_WATCH),
  /** (watch): it fires no more. */
  xs_unwatch: onWatch(XS_UNWATCH),
};
