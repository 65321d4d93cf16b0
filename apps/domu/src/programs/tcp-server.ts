/*
 * A TCP server's first half: listens, and gives each connection a process of its own.
 *
 *     listen ── socket ── bind ── listen ── accept ◄─────────────────────┐
 *                                             │ fork                     │
 *                                             ├─ parent: close, reap ────┘
 *                                             └─ child: the step `serve`, with the connection in ts_conn
 */
import {
  goto,
  type Next,
  type Step,
  SYS___wait450,
  SYS_close,
  SYS_fork,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, struct, u32, type View } from '@port-xen/layout';
import {
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SOCKADDR_IN_LEN,
  SOL_SOCKET,
  SYS_accept,
  SYS_bind,
  SYS_listen,
  sockaddrIn,
} from '@port-xen/netinet';
import { strerror } from './strerror.ts';
import { setOption, tcpSocket } from './tcp-user.ts';
import { exit, print } from './user.ts';

const BACKLOG = 5;
const WNOHANG = 1;

export const tcp_server = struct('tcp_server', {
  ts_port: u32,
  ts_listen: i64,
  ts_conn: i64,
  ts_addr: bytes(SOCKADDR_IN_LEN),
  ts_addrlen: u32,
  ts_int: u32,
  ts_line: bytes(256),
});

type Server = View<typeof tcp_server>;

/** Who is connected, in dotted decimal. */
const peerOf = (d: Server): string => d.ts_addr.subarray(4, 8).join('.');

/** Prints a line of the server's. */
export const tell = (u: UserContext, d: Server, then: string, text: string): Next =>
  print(u, then, d.address + tcp_server.offset.ts_line, text.slice(0, 256));

/** The connection failed: a line, and the process's end. @param result of the call, -errno */
export const lost = (u: UserContext, d: Server, name: string, result: number): Next =>
  tell(u, d, 'failed', `${name}: ${peerOf(d)}: ${strerror(-result)}\n`);

/**
 * The steps of a server: it enters at `listen` with ts_port set, and has the steps `ready`, which prints a line and goes to
 * `accept`, and `serve`, which ends with the process.
 * @param name the program's
 */
export const serverSteps = (
  name: string,
  at: (u: UserContext) => Server,
  // biome-ignore lint/suspicious/noExplicitAny: each program has its own locals
): Record<string, Step<UserContext, any>> => {
  const addr = (d: Server): number => d.address + tcp_server.offset.ts_addr;
  const int = (d: Server): number => d.address + tcp_server.offset.ts_int;
  const fail = (u: UserContext, what: string, error: number): Next =>
    tell(u, at(u), 'failed', `${name}: ${what}: ${strerror(-error)}\n`);

  return {
    listen: () => tcpSocket('made'),
    made: (u, _, fd) => {
      if (fd < 0) return fail(u, 'socket', fd);
      const d = at(u);
      d.ts_listen = fd;
      return setOption(u, 'reusing', int(d), [fd, SOL_SOCKET, SO_REUSEADDR, 1]);
    },
    reusing: (u) => {
      const d = at(u);
      d.ts_addr = sockaddrIn({ addr: 0, port: d.ts_port });
      return syscall('bound', SYS_bind, d.ts_listen, addr(d), SOCKADDR_IN_LEN);
    },
    bound: (u, _, error) =>
      error < 0
        ? fail(u, `port ${at(u).ts_port}`, error)
        : syscall('listening', SYS_listen, at(u).ts_listen, BACKLOG),
    listening: (u, _, error) => (error < 0 ? fail(u, 'listen', error) : goto('ready')),

    accept: (u) => {
      const d = at(u);
      d.ts_addrlen = SOCKADDR_IN_LEN;
      const length = d.address + tcp_server.offset.ts_addrlen;
      return syscall('accepted', SYS_accept, d.ts_listen, addr(d), length);
    },
    accepted: (u, _, fd) => {
      if (fd < 0) return fail(u, 'accept', fd);
      at(u).ts_conn = fd;
      return syscall('forked', SYS_fork);
    },
    forked: (u, _, pid) => {
      const d = at(u);
      if (pid === 0) return syscall('alone', SYS_close, d.ts_listen);
      if (pid > 0) return goto('parent');
      return tell(u, d, 'parent', `${name}: ${peerOf(d)}: cannot fork: ${strerror(-pid)}\n`);
    },
    parent: (u) => syscall('reap', SYS_close, at(u).ts_conn),
    reap: (u) => syscall('reaped', SYS___wait450, -1, int(at(u)), WNOHANG, 0),
    reaped: (_, __, pid) => goto(pid > 0 ? 'reap' : 'accept'),

    // A client that has gone without a word does not keep its process for ever.
    alone: (u) => setOption(u, 'serve', int(at(u)), [at(u).ts_conn, SOL_SOCKET, SO_KEEPALIVE, 1]),
    failed: () => exit(1),
  };
};
