/*
 * tcptalk [-k] PORT STEP…, tcptalk [-k] [-d SECONDS] ADDRESS PORT STEP…: one side of a conversation over TCP. The first waits for one
 * connection, the other makes it, after a while if so wished. -k asks for keepalives. The steps, one after the other:
 *
 *     say[=N]   a line, or N of them, one a second          wait=SECONDS
 *     hear      reads a line                                shut      says nothing any more (shutdown(2))
 *     eof       reads until the other says nothing any more
 *
 * At the end, or when a step fails, it prints which and how.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_close,
  SYS_nanosleep,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';
import {
  SHUT_WR,
  SO_KEEPALIVE,
  SOCKADDR_IN_LEN,
  SOL_SOCKET,
  SYS_accept,
  SYS_bind,
  SYS_connect,
  SYS_listen,
  SYS_shutdown,
  sockaddrIn,
} from '@port-xen/netinet';
import { strerror } from './strerror.ts';
import { portOf, setOption, tcpSocket } from './tcp-user.ts';
import { addressOf, argumentsOf, exit, numberOf, print, textBytes } from './user.ts';

const LINE = 'to be or not to\n';

const tcptalk_data = struct('tcptalk_data', {
  argc: u64,
  argv: i64,
  /** Which argument is the step that is being done, and how often it is still to be done. */
  step: u32,
  left: u32,
  listens: u32,
  keepalive: u32,
  port: u32,
  int: u32,
  fd: i64,
  listening: i64,
  to: bytes(SOCKADDR_IN_LEN),
  /** Bytes that were read of what was said. */
  heard: u64,
  /** struct timespec. */
  wait_sec: i64,
  wait_nsec: i64,
  said: bytes(16),
  buffer: bytes(256),
  line: bytes(256),
});

const running = struct('tcptalk_locals', { pad: u64 });

type Data = View<typeof tcptalk_data>;
const dataOf = (u: UserContext): Data => tcptalk_data.at(u.memory, u.data);
const at = (u: UserContext, field: keyof typeof tcptalk_data.offset): number =>
  u.data + tcptalk_data.offset[field];

const end = (u: UserContext, then: string, text: string): Next =>
  print(u, then, at(u, 'line'), `tcptalk ${dataOf(u).port}: ${text}\n`.slice(0, 256));

const fail = (u: UserContext, what: string, result: number): Next =>
  end(u, 'failed', `${what}: ${strerror(-result)}`);

/** Reads what comes before the steps. @returns whether it is understood */
const understand = (u: UserContext): boolean => {
  const d = dataOf(u);
  const words = argumentsOf(u, d.argc, d.argv);
  let next = 1;
  if (words[next] === '-k') {
    d.keepalive = 1;
    next++;
  }
  if (words[next] === '-d') {
    d.wait_sec = numberOf(words[next + 1], 0);
    next += 2;
  }
  const address = addressOf(words[next] ?? '');
  if (address !== undefined) next++;
  const port = portOf(words[next] ?? '');
  if (port === undefined) return false;
  d.listens = address === undefined ? 1 : 0;
  d.port = port;
  d.to = sockaddrIn({ addr: address ?? 0, port });
  d.step = next;
  d.said = textBytes(LINE);
  return true;
};

/** The step that is being done, and its number. */
const stepOf = (u: UserContext): readonly [name: string | undefined, value: string | undefined] => {
  const { argc, argv, step } = dataOf(u);
  const word = argumentsOf(u, argc, argv)[step];
  return word === undefined ? [undefined, undefined] : [word.split('=')[0], word.split('=')[1]];
};

const sleep = (u: UserContext, then: string, seconds: number): Next => {
  dataOf(u).wait_sec = seconds;
  return syscall(then, SYS_nanosleep, at(u, 'wait_sec'), 0);
};

export const tcptalk: Program = {
  name: 'tcptalk',
  data: tcptalk_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const d = dataOf(u);
        d.argc = argc;
        d.argv = argv;
        if (!understand(u)) {
          const usage =
            'usage: tcptalk [-k] PORT STEP..., tcptalk [-k] [-d SECONDS] ADDRESS PORT STEP...\n';
          return print(u, 'failed', at(u, 'line'), usage);
        }
        return syscall('socket', SYS_nanosleep, at(u, 'wait_sec'), 0);
      },
      socket: () => tcpSocket('made'),
      made: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'socket', fd);
        const d = dataOf(u);
        d.fd = fd;
        d.listening = fd;
        if (d.listens !== 0) return syscall('bound', SYS_bind, fd, at(u, 'to'), SOCKADDR_IN_LEN);
        return syscall('connected', SYS_connect, fd, at(u, 'to'), SOCKADDR_IN_LEN);
      },
      bound: (u: UserContext, _, error) =>
        error < 0 ? fail(u, 'bind', error) : syscall('accept', SYS_listen, dataOf(u).fd, 1),
      accept: (u: UserContext) => syscall('accepted', SYS_accept, dataOf(u).listening, 0, 0),
      accepted: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'accept', fd);
        dataOf(u).fd = fd;
        return syscall('connected', SYS_close, dataOf(u).listening);
      },
      connected: (u: UserContext, _, error) => {
        if (error < 0) return fail(u, 'connect', error);
        const { fd, keepalive } = dataOf(u);
        return setOption(u, 'next', at(u, 'int'), [fd, SOL_SOCKET, SO_KEEPALIVE, keepalive]);
      },

      next: (u: UserContext) => {
        const d = dataOf(u);
        d.step++;
        const [name, value] = stepOf(u);
        d.left = numberOf(value, 1);
        if (name === undefined)
          return end(u, 'ended', `done, ${d.heard / LINE.length} lines heard`);
        if (name === 'wait') return sleep(u, 'next', d.left);
        if (name === 'shut') return syscall('shut', SYS_shutdown, d.fd, SHUT_WR);
        if (name === 'say' || name === 'hear' || name === 'eof') return goto(name);
        return end(
          u,
          'failed',
          `expected say, hear, eof, shut or wait, found ${name.slice(0, 32)}`,
        );
      },
      shut: (u: UserContext, _, error) => (error < 0 ? fail(u, 'shut', error) : goto('next')),
      say: (u: UserContext) => syscall('said', SYS_write, dataOf(u).fd, at(u, 'said'), LINE.length),
      said: (u: UserContext, _, count) => {
        if (count < 0) return fail(u, 'say', count);
        const d = dataOf(u);
        d.left--;
        return d.left > 0 ? sleep(u, 'say', 1) : goto('next');
      },
      hear: (u: UserContext) =>
        syscall('came', SYS_read, dataOf(u).fd, at(u, 'buffer'), LINE.length),
      came: (u: UserContext, _, count) => {
        if (count < 0) return fail(u, 'hear', count);
        if (count === 0) return end(u, 'failed', 'hear: the other side said nothing any more');
        const d = dataOf(u);
        d.heard += count;
        return goto(d.heard % LINE.length === 0 ? 'next' : 'hear');
      },
      eof: (u: UserContext) => syscall('drained', SYS_read, dataOf(u).fd, at(u, 'buffer'), 256),
      drained: (u: UserContext, _, count) => {
        if (count < 0) return fail(u, 'eof', count);
        dataOf(u).heard += count;
        return goto(count === 0 ? 'next' : 'eof');
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
