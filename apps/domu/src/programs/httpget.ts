/*
 * httpget [-t SECONDS] [-o DEVICE] http://ADDRESS[:PORT]/PATH: fetches a document and prints the SHA-256 digest of its bytes; to a
 * device it is written too, from its start, the last sector filled up with zeros. A server that has been silent for SECONDS (120),
 * and does not answer when it is asked whether it is there, is given up. Where no shell reads it, `> DEVICE` at the end says -o.
 *
 * It asks by HTTP/1.0, so that the body comes as it is: to the length that the answer names, or to the connection's end.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_fsync,
  SYS_open,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import {
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SOCKADDR_IN_LEN,
  SOL_SOCKET,
  SYS_connect,
  sockaddrIn,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
} from '@port-xen/netinet';
import { byteCount, parseHead } from './http-head.ts';
import { sha256_context, sha256Digest, sha256Init, sha256Update } from './sha256-context.ts';
import { strerror } from './strerror.ts';
import { portOf, setOption, tcpSocket, writeRest } from './tcp-user.ts';
import { addressOf, argumentsOf, exit, numberOf, print, textBytes } from './user.ts';

const BUFFER_SIZE = 65536;
const HEAD_MAX = 2048;
const PATH_MAX = 64;
const SECTOR = 512;
const PATIENCE_S = 120;
const HTTP_PORT = '80';
const URL = /^http:\/\/([\d.]+)(?::(\d+))?(\/\S*)?$/;

const httpget_data = struct('httpget_data', {
  /** Page-aligned: the disk reads it. The rest lies within one page. */
  buffer: bytes(BUFFER_SIZE),
  hash: nest(sha256_context),
  to: bytes(SOCKADDR_IN_LEN),
  fd: i64,
  /** Where it goes; 0: nowhere. */
  device: i64,
  int: u32,
  /** Options of the socket that were set. */
  options: u32,
  patience_s: u32,
  /** There is no more to come. */
  ended: u32,
  /** Bytes of the body: how many there are (2^53 - 1: nobody said), how many came. */
  length: u64,
  got: u64,
  /** Bytes of the buffer that came, and that were written. */
  filled: u32,
  written: u32,
  /** The request, then the answer's head: its bytes, where it ends, what of the request was sent. */
  head_length: u32,
  head_end: u32,
  head: bytes(HEAD_MAX),
  path: bytes(PATH_MAX),
  line: bytes(256),
});

type Data = View<typeof httpget_data>;

const running = struct('httpget_locals', { pad: u64 });

const dataOf = (u: UserContext): Data => httpget_data.at(u.memory, u.data);
const at = (u: UserContext, field: keyof typeof httpget_data.offset): number =>
  u.data + httpget_data.offset[field];

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, at(u, 'line'), text.slice(0, 256));

const fail = (u: UserContext, text: string): Next => say(u, 'failed', `httpget: ${text}\n`);

/** A keepalive that notices a silent death in about `patience_s`. */
const optionsOf = (
  patience_s: number,
): readonly (readonly [level: number, option: number, value: number])[] => [
  [SOL_SOCKET, SO_KEEPALIVE, 1],
  [IPPROTO_TCP, TCP_KEEPIDLE, Math.ceil(patience_s / 2)],
  [IPPROTO_TCP, TCP_KEEPINTVL, Math.ceil(patience_s / 8)],
  [IPPROTO_TCP, TCP_KEEPCNT, 4],
];

/** Reads the command line. @returns whether it is understood */
const understand = (u: UserContext, words: readonly string[]): boolean => {
  const d = dataOf(u);
  d.patience_s = PATIENCE_S;
  let rest = words;
  let to: string | undefined;
  for (; rest[0]?.startsWith('-'); rest = rest.slice(2)) {
    if (rest[0] === '-t') d.patience_s = numberOf(rest[1], 0);
    else if (rest[0] === '-o') to = rest[1] ?? '';
    else return false;
  }
  if (rest.length === 3 && rest[1] === '>' && to === undefined) {
    to = rest[2];
    rest = rest.slice(0, 1);
  }
  const [, host = '', port = HTTP_PORT, path = '/'] = URL.exec(rest[0] ?? '') ?? [];
  const addr = addressOf(host);
  const number = portOf(port);
  if (addr === undefined || number === undefined || d.patience_s === 0) return false;
  if (rest.length !== 1 || to === '' || (to ?? '').length >= PATH_MAX) return false;
  d.to = sockaddrIn({ addr, port: number });
  d.path = textBytes(to ?? '');
  const request = `GET ${path} HTTP/1.0\r\nHost: ${host}:${number}\r\n\r\n`;
  if (request.length > HEAD_MAX) return false;
  d.head = textBytes(request);
  d.head_length = request.length;
  return true;
};

/** Bytes of the body that have come to the buffer's end. */
const take = (u: UserContext, count: number): void => {
  const d = dataOf(u);
  sha256Update(u, d.hash, u.data + d.filled, count);
  d.got += count;
  d.filled += count;
  if (d.got === d.length) d.ended = 1;
};

export const httpget: Program = {
  name: 'httpget',
  data: httpget_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        if (!understand(u, argumentsOf(u, argc, argv).slice(1))) {
          return say(
            u,
            'failed',
            'usage: httpget [-t SECONDS] [-o DEVICE] http://ADDRESS[:PORT]/PATH\n',
          );
        }
        sha256Init(dataOf(u).hash);
        if (dataOf(u).path[0] === 0) return goto('socket');
        return syscall('opened', SYS_open, at(u, 'path'), 1);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, `device cannot be opened: ${strerror(-fd)}`);
        dataOf(u).device = fd;
        return goto('socket');
      },
      socket: () => tcpSocket('made'),
      made: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, `socket: ${strerror(-fd)}`);
        dataOf(u).fd = fd;
        return goto('option');
      },
      option: (u: UserContext) => {
        const d = dataOf(u);
        const option = optionsOf(d.patience_s)[d.options];
        if (option === undefined) {
          return syscall('connected', SYS_connect, d.fd, at(u, 'to'), SOCKADDR_IN_LEN);
        }
        d.options++;
        return setOption(u, 'option', at(u, 'int'), [d.fd, ...option]);
      },
      connected: (u: UserContext, _, error) =>
        error < 0 ? fail(u, `connect: ${strerror(-error)}`) : goto('request'),

      request: (u: UserContext) => {
        const d = dataOf(u);
        return writeRest('requested', d.fd, at(u, 'head'), d.head_end, d.head_length);
      },
      requested: (u: UserContext, _, count) => {
        if (count < 0) return fail(u, strerror(-count));
        const d = dataOf(u);
        d.head_end += count;
        if (d.head_end < d.head_length) return goto('request');
        d.head_length = 0;
        return goto('answer');
      },
      answer: (u: UserContext) => {
        const d = dataOf(u);
        return syscall(
          'answered',
          SYS_read,
          d.fd,
          at(u, 'head') + d.head_length,
          HEAD_MAX - d.head_length,
        );
      },
      answered: (u: UserContext, _, count) => {
        if (count < 0) return fail(u, strerror(-count));
        if (count === 0) return fail(u, 'the server ended the connection without an answer');
        const d = dataOf(u);
        d.head_length += count;
        const head = parseHead(d.head.subarray(0, d.head_length));
        if (head === undefined) {
          return d.head_length < HEAD_MAX
            ? goto('answer')
            : fail(u, `expected an answer's head of at most ${HEAD_MAX} bytes`);
        }
        if (!/^HTTP\/1\.\d 200\b/.test(head.line)) return fail(u, head.line);
        d.head_end = head.length;
        d.length = byteCount(head.fields.get('content-length')) ?? Number.MAX_SAFE_INTEGER;
        return goto('move');
      },
      // Moving may be done twice, counting what was moved must not.
      move: (u: UserContext) => {
        const d = dataOf(u);
        u.memory.write(u.data, d.head.subarray(d.head_end, d.head_length));
        return goto('moved');
      },
      moved: (u: UserContext) => {
        const d = dataOf(u);
        take(u, Math.min(d.head_length - d.head_end, d.length));
        return goto('next');
      },

      next: (u: UserContext) => {
        const d = dataOf(u);
        if (d.device === 0) d.filled = 0;
        if (d.filled === BUFFER_SIZE) return goto('write');
        if (d.ended !== 0) return goto(d.filled > 0 ? 'pad' : 'finish');
        const room = Math.min(BUFFER_SIZE - d.filled, d.length - d.got);
        return syscall('came', SYS_read, d.fd, u.data + d.filled, room);
      },
      came: (u: UserContext, _, count) => {
        const d = dataOf(u);
        if (count < 0) return fail(u, `${strerror(-count)} after ${d.got} bytes`);
        if (count > 0) take(u, count);
        else if (d.length === Number.MAX_SAFE_INTEGER) d.ended = 1;
        else return fail(u, `the server ended the connection after ${d.got} bytes of ${d.length}`);
        return goto('next');
      },

      pad: (u: UserContext) => {
        const { filled } = dataOf(u);
        const padding = Math.ceil(filled / SECTOR) * SECTOR - filled;
        u.memory.write(u.data + filled, new Uint8Array(padding));
        return goto('write');
      },
      write: (u: UserContext) => {
        const d = dataOf(u);
        const length = Math.ceil(d.filled / SECTOR) * SECTOR - d.written;
        return syscall('put', SYS_write, d.device, u.data + d.written, length);
      },
      put: (u: UserContext, _, count) => {
        if (count <= 0) return fail(u, `device cannot be written: ${strerror(-count)}`);
        const d = dataOf(u);
        d.written += count;
        if (d.written < d.filled) return goto('write');
        d.filled = 0;
        d.written = 0;
        return goto('next');
      },
      finish: (u: UserContext) => {
        const { device } = dataOf(u);
        return device === 0 ? goto('digest') : syscall('synced', SYS_fsync, device);
      },
      synced: (u: UserContext, _, result) =>
        result < 0 ? fail(u, `device cannot be flushed: ${strerror(-result)}`) : goto('digest'),
      digest: (u: UserContext) => say(u, 'done', `${sha256Digest(dataOf(u).hash)}\n`),
      done: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
