/*
 * httpd DEVICE [PORT]: serves a disk's bytes over HTTP/1.1, whatever path is asked for: all of them, or the one range of them that a
 * Range field names. Any number of clients at once, any number of requests on a connection. Port 80.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_lseek,
  SYS_open,
  SYS_read,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, ldI64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { byteRange, parseHead } from './http-head.ts';
import { strerror } from './strerror.ts';
import { lost, serverSteps, tcp_server, tell } from './tcp-server.ts';
import { portOf, writeRest } from './tcp-user.ts';
import { argument, exit, textBytes } from './user.ts';

const BUFFER_SIZE = 65536;
const HEAD_MAX = 2048;
const SECTOR = 512;
const SEEK_SET = 0;
const SEEK_END = 2;
const HTTP_PORT = '80';

const httpd_data = struct('httpd_data', {
  /** Page-aligned: the disk writes straight into it. The rest lies within one page. */
  buffer: bytes(BUFFER_SIZE),
  server: nest(tcp_server),
  argv: i64,
  disk: i64,
  size: u64,
  /** What of the disk is still to be sent: from `at` to before `end`. */
  at: u64,
  end: u64,
  /** Bytes of the buffer that are to be sent: from `sent` to before `filled`. */
  filled: u32,
  sent: u32,
  /** The connection ends after this answer. */
  closing: u32,
  answer_length: u32,
  answer: bytes(512),
  /** What came in and was not yet answered. */
  head_length: u32,
  head: bytes(HEAD_MAX),
});

type Data = View<typeof httpd_data>;

const running = struct('httpd_locals', { pad: u64 });

const dataOf = (u: UserContext): Data => httpd_data.at(u.memory, u.data);
const HEAD = httpd_data.offset.head;

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  206: 'Partial Content',
  400: 'Bad Request',
  416: 'Range Not Satisfiable',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
};

/** Puts an answer's head together. */
const prepare = (d: Data, status: number, fields: readonly string[]): void => {
  const close = d.closing !== 0 ? ['Connection: close'] : [];
  const text = [`HTTP/1.1 ${status} ${REASONS[status]}`, ...fields, ...close, '', ''].join('\r\n');
  d.answer = textBytes(text);
  d.answer_length = text.length;
  d.sent = 0;
};

/** An answer without a body, after which the connection ends. */
const refuse = (d: Data, status: number): void => {
  d.closing = 1;
  d.at = 0;
  d.end = 0;
  d.head_length = 0;
  prepare(d, status, ['Content-Length: 0']);
};

/** Answers the request at the start of what came in, which is taken out. @returns false when it is not whole yet */
const answer = (d: Data): boolean => {
  const head = d.head.slice(0, d.head_length);
  const request = parseHead(head);
  if (request === undefined) {
    if (d.head_length < HEAD_MAX) return false;
    refuse(d, 431);
    return true;
  }
  const match = /^([A-Z]+) \S+ HTTP\/1\.([01])$/.exec(request.line);
  if (match === null) refuse(d, 400);
  else if (match[1] !== 'GET' && match[1] !== 'HEAD') refuse(d, 501);
  else {
    d.head = head.subarray(request.length);
    d.head_length = head.length - request.length;
    const wish = request.fields.get('connection')?.toLowerCase();
    d.closing = wish === 'close' || (match[2] === '0' && wish !== 'keep-alive') ? 1 : 0;
    serve(d, byteRange(request.fields.get('range'), d.size));
    if (match[1] === 'HEAD') d.end = d.at;
  }
  return true;
};

const serve = (d: Data, range: ReturnType<typeof byteRange>): void => {
  if (range === 'unsatisfiable') {
    d.at = 0;
    d.end = 0;
    prepare(d, 416, [`Content-Range: bytes */${d.size}`, 'Content-Length: 0']);
    return;
  }
  const [start, end] = range ?? [0, d.size];
  d.at = start;
  d.end = end;
  prepare(d, range === undefined ? 200 : 206, [
    'Content-Type: application/octet-stream',
    'Accept-Ranges: bytes',
    `Content-Length: ${end - start}`,
    ...(range === undefined ? [] : [`Content-Range: bytes ${start}-${end - 1}/${d.size}`]),
  ]);
};

const complain = (u: UserContext, what: string, result: number): Next => {
  const d = dataOf(u);
  const device = argument(u, d.argv, 1).slice(0, 64);
  return tell(u, d.server, 'failed', `httpd: ${device} ${what}: ${strerror(-result)}\n`);
};

export const httpd: Program = {
  name: 'httpd',
  data: httpd_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const d = dataOf(u);
        const port = portOf(argc > 2 ? argument(u, argv, 2) : HTTP_PORT);
        if (argc < 2 || port === undefined) {
          return tell(u, d.server, 'failed', 'usage: httpd DEVICE [PORT]\n');
        }
        d.argv = argv;
        d.server.ts_port = port;
        return syscall('opened', SYS_open, ldI64(u.memory, argv + 8), 0);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return complain(u, 'cannot be opened', fd);
        dataOf(u).disk = fd;
        return syscall('sized', SYS_lseek, fd, 0, SEEK_END);
      },
      sized: (u: UserContext, _, size) => {
        if (size < 0) return complain(u, 'has no size', size);
        dataOf(u).size = size;
        return goto('listen');
      },
      ...serverSteps('httpd', (u) => dataOf(u).server),
      ready: (u: UserContext) => {
        const d = dataOf(u);
        const device = argument(u, d.argv, 1).slice(0, 64);
        const text = `httpd: ${device}, ${d.size} bytes, port ${d.server.ts_port}\n`;
        return tell(u, d.server, 'accept', text);
      },

      serve: (u: UserContext) => {
        const d = dataOf(u);
        if (answer(d)) return goto('reply');
        const at = u.data + HEAD + d.head_length;
        return syscall('came', SYS_read, d.server.ts_conn, at, HEAD_MAX - d.head_length);
      },
      came: (u: UserContext, _, count) => {
        if (count === 0) return exit(0);
        const d = dataOf(u);
        if (count < 0) return lost(u, d.server, 'httpd', count);
        d.head_length += count;
        return goto('serve');
      },
      reply: (u: UserContext) => {
        const d = dataOf(u);
        const at = u.data + httpd_data.offset.answer;
        return writeRest('replied', d.server.ts_conn, at, d.sent, d.answer_length);
      },
      replied: (u: UserContext, _, count) => {
        const d = dataOf(u);
        if (count < 0) return lost(u, d.server, 'httpd', count);
        d.sent += count;
        return goto(d.sent < d.answer_length ? 'reply' : 'body');
      },

      body: (u: UserContext) => {
        const d = dataOf(u);
        if (d.at < d.end)
          return syscall('there', SYS_lseek, d.disk, d.at - (d.at % SECTOR), SEEK_SET);
        return d.closing !== 0 ? exit(0) : goto('serve');
      },
      there: (u: UserContext) => {
        const d = dataOf(u);
        const before = d.at % SECTOR;
        const length = Math.ceil((before + d.end - d.at) / SECTOR) * SECTOR;
        return syscall('filled', SYS_read, d.disk, u.data, Math.min(length, BUFFER_SIZE));
      },
      filled: (u: UserContext, _, count) => {
        if (count <= 0) return complain(u, 'cannot be read', count);
        const d = dataOf(u);
        d.sent = d.at % SECTOR;
        d.filled = Math.min(count, d.sent + d.end - d.at);
        return goto('send');
      },
      send: (u: UserContext) => {
        const d = dataOf(u);
        return writeRest('sent', d.server.ts_conn, u.data, d.sent, d.filled);
      },
      sent: (u: UserContext, _, count) => {
        const d = dataOf(u);
        if (count < 0) return lost(u, d.server, 'httpd', count);
        d.sent += count;
        d.at += count;
        return goto(d.sent < d.filled ? 'send' : 'body');
      },
      never: () => done(),
    }),
  },
};
