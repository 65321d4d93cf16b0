import {
  call,
  copyin,
  copyout,
  done,
  EFAULT,
  EINTR,
  goto,
  leaf,
  PCATCH,
  routine,
  type Text,
} from '@port-xen/kern';
import { i64, struct, u64 } from '@port-xen/layout';
import type { ConsoleQueues } from './console-queues.ts';
import type { Xencons } from './xencons.ts';
import type { XenconsCtrlIf } from './xencons-ctrl-if.ts';

/** Bytes that a write moves at once. */
const CHUNK = 512;

const writing = struct('xencons_writing', { uaddr: i64, left: u64, moved: u64 });
const reading = struct('xencons_reading', { uaddr: i64, length: u64 });

/** What programs do with a console, and what the kernel prints on it. */
const consoleText: Text<ConsoleQueues> = {
  xencons_putmsg: leaf((m) => m.putMessages()),

  /** (softc, offset, address, length): waits while the queue is full. */
  xencons_write: routine(writing, {
    start: (_, l, _softc, _offset, address, length) => {
      l.uaddr = address;
      l.left = length;
      return goto('chunk');
    },
    chunk: (m, l) => {
      if (l.left === 0) return done(l.moved);
      if (m.room === 0) return call('chunk', m.cpu.sym('tsleep'), m.data, 0);
      const length = Math.min(l.left, CHUNK);
      const text = copyin(m.cpu, l.uaddr, length);
      if (text === undefined) return done(l.moved === 0 ? -EFAULT : l.moved);
      m.queue(text);
      l.uaddr += length;
      l.left -= length;
      l.moved += length;
      return goto('chunk');
    },
  }),

  /** (softc, offset, address, length): waits for input. */
  xencons_read: routine(reading, {
    start: (_, l, _softc, _offset, address, length) => {
      l.uaddr = address;
      l.length = length;
      return goto('take');
    },
    take: (m, l, error) => {
      if (error === EINTR) return done(-EINTR);
      if (l.length === 0) return done(0);
      if (m.inqEmpty) return call('take', m.cpu.sym('tsleep'), m.inqChannel, 0, PCATCH);
      const text = m.peek(l.length);
      if (!copyout(m.cpu, l.uaddr, text)) return done(-EFAULT);
      m.consume(text.length);
      return done(text.length);
    },
  }),
};

export const xenconsText: Text<Xencons> = {
  ...consoleText,
  xencons_handler: leaf((m) => m.handler()),
};

export const xenconsCtrlIfText: Text<XenconsCtrlIf> = {
  ...consoleText,
  xencons_rx: leaf((m, msg) => m.receive(msg)),
  xencons_space: leaf((m) => m.start()),
  /** (message's entry, response, errno). */
  xencons_told: leaf((m, entry, _, error) => m.told(entry, error)),
};
