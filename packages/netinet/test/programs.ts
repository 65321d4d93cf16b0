/*
 * Two programs as kernel lwps with a process: they reach the network by the system calls' own text, with addresses in a program's
 * memory, and all that they know is in their locals.
 */
import {
  call,
  done,
  goto,
  type Kern,
  L_IDLE,
  PRI_IDLE,
  PRI_USER,
  push64,
  raw,
  routine,
  type Text,
} from '@port-xen/kern';
import { i64, struct, u32, u64 } from '@port-xen/layout';
import { RIP, RSP } from '@port-xen/vcpu';
import { B } from './pair.ts';

/** A program's memory, by what it is for. */
export const U_NAME = 0x1000;
export const U_NAMELEN = 0x1040;
export const U_VALUE = 0x1080;
export const U_OUT = 0x1_0000;
export const U_IN = 0x8_0000;

export const PORT = 7;
const CHUNK = 3000;

export const programs_data = struct('programs_data', {
  /** Which program runs: 1 serves, 2 asks. */
  role: u32,
  total: u64,
  sent: u64,
  got: u64,
  /** What connect and the first read after the end gave. */
  connected: i64,
  ended: i64,
  closed: i64,
});

export class Programs {
  readonly kern: Kern;
  readonly data: number;
  constructor(kern: Kern, address: number) {
    this.kern = kern;
    this.data = address;
  }
  get d() {
    return programs_data.at(this.kern.cpu.memory, this.data);
  }
  sym(name: string): number {
    return this.kern.cpu.sym(name);
  }
}

const locals = struct('program_locals', { fd: i64, conn: i64, left: u64, at: u64 });

export const programsText: Text<Programs> = {
  boot: raw((m, cpu) => {
    const { sched, syscalls } = m.kern;
    const main = sched.adoptBoot('main');
    sched.create('idle', cpu.sym('idle_loop'), 0, PRI_IDLE, L_IDLE);
    const program = m.d.role === 1 ? 'echo_server' : 'echo_client';
    const l = sched.create('program', cpu.sym(program), 0, PRI_USER);
    l.l_proc = syscalls.newProc()?.address ?? 0;
    cpu.registers.set(RSP, main.l_stack);
    push64(cpu, cpu.sym('lwp_exit'));
    cpu.registers.set(RIP, cpu.sym('lwp_exit'));
  }),

  /** Accepts, gives back what it reads, closes, and accepts again. */
  echo_server: routine(locals, {
    start: (m) => call('made', m.sym('sys_socket'), 2, 1, 0),
    made: (m, l, fd) => {
      l.fd = fd;
      m.kern.cpu.memory.write(U_NAME, Uint8Array.of(16, 2, 0, PORT, 0, 0, 0, 0));
      return call('bound', m.sym('sys_bind'), fd, U_NAME, 16);
    },
    bound: (m, l) => call('listening', m.sym('sys_listen'), l.fd, 5),
    listening: (m, l) => {
      m.kern.cpu.memory.st32(U_NAMELEN, 16);
      return call('accepted', m.sym('sys_accept'), l.fd, U_NAME, U_NAMELEN);
    },
    accepted: (m, l, fd) => {
      if (fd < 0) return done(fd);
      l.conn = fd;
      return call('taken', m.sym('sys_read'), fd, U_IN, CHUNK);
    },
    taken: (m, l, count) => {
      if (count <= 0) return call('listening', m.sym('sys_close'), l.conn);
      l.left = count;
      l.at = U_IN;
      return call('given', m.sym('sys_write'), l.conn, l.at, count);
    },
    given: (m, l, count) => {
      if (count < 0) return call('listening', m.sym('sys_close'), l.conn);
      l.left -= count;
      l.at += count;
      if (l.left > 0) return call('given', m.sym('sys_write'), l.conn, l.at, l.left);
      return call('taken', m.sym('sys_read'), l.conn, U_IN, CHUNK);
    },
  }),

  /** Connects, writes `total` bytes a chunk at a time, reads each back, closes its side, and reads to the end. */
  echo_client: routine(locals, {
    start: (m) => call('made', m.sym('sys_socket'), 2, 1, 0),
    made: (m, l, fd) => {
      l.fd = fd;
      const name = Uint8Array.of(16, 2, 0, PORT, ...[24, 16, 8, 0].map((n) => (B >>> n) & 255));
      m.kern.cpu.memory.write(U_NAME, name);
      return call('connected', m.sym('sys_connect'), fd, U_NAME, 16);
    },
    connected: (m, _, result) => {
      m.d.connected = result;
      return result === 0 ? goto('write') : done();
    },
    write: (m, l) => {
      const d = m.d;
      if (d.sent === d.total) return call('halfClosed', m.sym('sys_shutdown'), l.fd, 1);
      const length = Math.min(CHUNK, d.total - d.sent);
      return call('written', m.sym('sys_write'), l.fd, U_OUT + d.sent, length);
    },
    written: (m, _, count) => {
      if (count < 0) return done(count);
      m.d.sent += count;
      return goto('read');
    },
    read: (m, l) => {
      const d = m.d;
      if (d.got === d.sent) return goto('write');
      return call('readBack', m.sym('sys_read'), l.fd, U_IN + d.got, d.sent - d.got);
    },
    readBack: (m, _, count) => {
      if (count <= 0) return done(count);
      m.d.got += count;
      return goto('read');
    },
    halfClosed: (m, l) => call('ended', m.sym('sys_read'), l.fd, U_IN, 10),
    ended: (m, l, count) => {
      m.d.ended = 1 + count;
      return call('closed', m.sym('sys_close'), l.fd);
    },
    closed: (m, _, result) => {
      m.d.closed = 1 + result;
      return call('never', m.sym('sys_exit'), 0);
    },
    never: () => done(),
  }),
};
