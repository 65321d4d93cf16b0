/*
 * ttcp -r [-p PORT], ttcp -t [-l BYTES] [-n BUFFERS] [-p PORT] ADDRESS: sends BUFFERS (2048) of BYTES (8192) from one to the other
 * and says how long it took. Port 5010. The receiver takes one connection.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_clock_gettime,
  SYS_close,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';
import {
  SHUT_WR,
  SOCKADDR_IN_LEN,
  SYS_accept,
  SYS_bind,
  SYS_connect,
  SYS_listen,
  SYS_shutdown,
  sockaddrIn,
} from '@port-xen/netinet';
import { strerror } from './strerror.ts';
import { tcpSocket } from './tcp-user.ts';
import { addressOf, argumentsOf, exit, numberOf, print } from './user.ts';

const LENGTH_MAX = 65536;
const TTCP_PORT = 5010;
const CLOCK_MONOTONIC = 3;
const USAGE = 'usage: ttcp -r [-p PORT], ttcp -t [-l BYTES] [-n BUFFERS] [-p PORT] ADDRESS\n';

const ttcp_data = struct('ttcp_data', {
  buffer: bytes(LENGTH_MAX),
  to: bytes(SOCKADDR_IN_LEN),
  transmits: u32,
  length: u32,
  fd: i64,
  listen: i64,
  left: u64,
  total: u64,
  calls: u64,
  /** struct timespec: when the connection stood, and now. */
  start_sec: i64,
  start_nsec: i64,
  now_sec: i64,
  now_nsec: i64,
  line: bytes(256),
});

const running = struct('ttcp_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof ttcp_data> => ttcp_data.at(u.memory, u.data);
const at = (u: UserContext, field: keyof typeof ttcp_data.offset): number =>
  u.data + ttcp_data.offset[field];

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, at(u, 'line'), text);

const fail = (u: UserContext, what: string, result: number): Next =>
  say(u, 'failed', `ttcp: ${what}: ${strerror(-result)}\n`);

/** Reads the command line. @returns whether it is understood */
const understand = (u: UserContext, words: readonly string[]): boolean => {
  const d = dataOf(u);
  let port = TTCP_PORT;
  let buffers = 2048;
  let address: number | undefined;
  d.length = 8192;
  for (let i = 1; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '-l') d.length = Math.min(numberOf(words[++i], 0), LENGTH_MAX);
    else if (word === '-n') buffers = numberOf(words[++i], 0);
    else if (word === '-p') port = numberOf(words[++i], 0);
    else address = addressOf(word);
  }
  d.left = d.length * buffers;
  d.transmits = words[0] === '-t' ? 1 : 0;
  d.to = sockaddrIn({ addr: address ?? 0, port });
  if (d.left === 0 || port === 0 || port > 0xffff) return false;
  return words[0] === '-t' ? address !== undefined : words[0] === '-r';
};

const result = (u: UserContext): string => {
  const d = dataOf(u);
  const ns = (d.now_sec - d.start_sec) * 1e9 + d.now_nsec - d.start_nsec;
  const name = d.transmits !== 0 ? 'ttcp-t' : 'ttcp-r';
  const rate = ((d.total / 1024) * 1e9) / Math.max(1, ns);
  return (
    `${name}: ${d.total} bytes in ${(ns / 1e9).toFixed(2)} real seconds = ${rate.toFixed(2)} KB/sec\n` +
    `${name}: ${d.calls} I/O calls\n`
  );
};

export const ttcp: Program = {
  name: 'ttcp',
  data: ttcp_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) =>
        understand(u, argumentsOf(u, argc, argv).slice(1))
          ? tcpSocket('made')
          : say(u, 'failed', USAGE),
      made: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'socket', fd);
        const d = dataOf(u);
        d.fd = fd;
        d.listen = fd;
        const [number, then] = d.transmits !== 0 ? [SYS_connect, 'connected'] : [SYS_bind, 'bound'];
        return syscall(then as string, number as number, fd, at(u, 'to'), SOCKADDR_IN_LEN);
      },
      connected: (u: UserContext, _, error) =>
        error < 0 ? fail(u, 'connect', error) : goto('began'),
      bound: (u: UserContext, _, error) =>
        error < 0 ? fail(u, 'bind', error) : syscall('listening', SYS_listen, dataOf(u).fd, 1),
      listening: (u: UserContext) => say(u, 'accept', 'ttcp-r: socket\n'),
      accept: (u: UserContext) => syscall('accepted', SYS_accept, dataOf(u).listen, 0, 0),
      accepted: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'accept', fd);
        dataOf(u).fd = fd;
        return syscall('began', SYS_close, dataOf(u).listen);
      },
      began: (u: UserContext) =>
        syscall('move', SYS_clock_gettime, CLOCK_MONOTONIC, at(u, 'start_sec')),
      move: (u: UserContext) => {
        const d = dataOf(u);
        if (d.transmits === 0) return syscall('moved', SYS_read, d.fd, u.data, d.length);
        if (d.left === 0) return syscall('sent', SYS_shutdown, d.fd, SHUT_WR);
        return syscall('moved', SYS_write, d.fd, u.data, Math.min(d.length, d.left));
      },
      moved: (u: UserContext, _, count) => {
        const d = dataOf(u);
        if (count < 0) return fail(u, `after ${d.total} bytes`, count);
        if (count === 0) return goto('ended');
        d.calls++;
        d.total += count;
        if (d.transmits !== 0) d.left -= count;
        return goto('move');
      },
      // The receiver ends when it has taken everything.
      sent: (u: UserContext) => syscall('drained', SYS_read, dataOf(u).fd, u.data, 1),
      drained: (u: UserContext, _, count) =>
        count < 0 ? fail(u, `after ${dataOf(u).total} bytes`, count) : goto('ended'),
      ended: (u: UserContext) =>
        syscall('timed', SYS_clock_gettime, CLOCK_MONOTONIC, at(u, 'now_sec')),
      timed: (u: UserContext) => say(u, 'done', result(u)),
      done: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
