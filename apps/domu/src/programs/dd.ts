/*
 * dd if=DEVICE of=DEVICE [bs=BYTES] [count=BLOCKS] [skip=BLOCKS] [seek=BLOCKS] [oflag=dsync]: copies blocks; without `of` to the
 * console, without `if` from it. With oflag=dsync each block is on the medium before the next is read: by a barrier, or by a flush where the
 * disk turns out to have none. An error on the way does not keep it from saying how many records went in and out.
 */
import {
  done,
  EOPNOTSUPP,
  goto,
  type Next,
  O_DSYNC,
  type Program,
  routine,
  SYS_close,
  SYS_fsync,
  SYS_lseek,
  SYS_open,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, ldI64, struct, u32, u64, type View } from '@port-xen/layout';
import { parseOperands } from './dd-operands.ts';
import { strerror } from './strerror.ts';
import { argumentsOf, exit, print } from './user.ts';

const BS_MAX = 65536;
const SEEK_SET = 0;
const O_WRONLY = 1;

const dd_data = struct('dd_data', {
  buffer: bytes(BS_MAX),
  /** Names of the devices, among the arguments; 0: the console. */
  from: i64,
  to: i64,
  in: i64,
  out: i64,
  bs: u32,
  count: u64,
  skip: u64,
  seek: u64,
  /** Blocks are written as barriers; or flushed one by one. */
  dsync: u32,
  flush: u32,
  filled: u64,
  written: u64,
  whole_in: u64,
  part_in: u64,
  whole_out: u64,
  part_out: u64,
  total: u64,
  status: u32,
  line: bytes(256),
});

const running = struct('dd_locals', { pad: u64 });

type Data = View<typeof dd_data>;

const dataOf = (u: UserContext): Data => dd_data.at(u.memory, u.data);

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, u.data + dd_data.offset.line, text);

/** What a device is called. @param at where its name stands */
const nameOf = (u: UserContext, at: number, otherwise: string): string => {
  let text = '';
  for (let i = 0; at !== 0 && i < 64; i++) {
    const byte = u.memory.ld8(at + i);
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return at === 0 ? otherwise : text;
};

/** Ends by an error. @param then `failed` before anything is copied, `tell` after that */
const fail = (
  u: UserContext,
  side: 'from' | 'to',
  what: string,
  result: number,
  then = 'tell',
): Next => {
  const d = dataOf(u);
  d.status = 1;
  const name = nameOf(u, d[side], side === 'from' ? 'stdin' : 'stdout');
  return say(u, then, `dd: ${name} cannot be ${what}: ${strerror(-result)}\n`);
};

const open = (u: UserContext, then: string): Next => {
  const { to, dsync } = dataOf(u);
  return syscall(then, SYS_open, to, dsync === 0 ? O_WRONLY : O_WRONLY | O_DSYNC);
};

/** The block was written, or as much of it as could be. */
const count = (d: Data): void => {
  if (d.written === d.bs) d.whole_out++;
  else if (d.written > 0) d.part_out++;
  d.total += d.written;
};

export const dd: Program = {
  name: 'dd',
  data: dd_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const asked = parseOperands(argumentsOf(u, argc, argv).slice(1));
        if (asked.wrong !== '') return say(u, 'failed', `dd: ${asked.wrong.slice(0, 200)}\n`);
        const d = dataOf(u);
        d.bs = asked.bs;
        d.count = asked.count;
        d.skip = asked.skip;
        d.seek = asked.seek;
        d.dsync = asked.dsync ? 1 : 0;
        const [valueOfIf, valueOfOf] = [asked.from, asked.to].map((index) =>
          index < 0 ? 0 : ldI64(u.memory, argv + 8 * (1 + index)) + 'if='.length,
        );
        d.from = valueOfIf ?? 0;
        d.to = valueOfOf ?? 0;
        d.out = 1;
        return d.from === 0 ? goto('output') : syscall('opened', SYS_open, d.from, 0);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'from', 'opened', fd, 'failed');
        const d = dataOf(u);
        d.in = fd;
        return syscall('skipped', SYS_lseek, fd, d.skip * d.bs, SEEK_SET);
      },
      skipped: (u: UserContext, _, result) =>
        result < 0 ? fail(u, 'from', 'skipped', result, 'failed') : goto('output'),
      output: (u: UserContext) => (dataOf(u).to === 0 ? goto('read') : open(u, 'both')),
      both: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'to', 'opened', fd, 'failed');
        const d = dataOf(u);
        d.out = fd;
        return syscall('sought', SYS_lseek, fd, d.seek * d.bs, SEEK_SET);
      },
      sought: (u: UserContext, _, result) =>
        result < 0 ? fail(u, 'to', 'sought', result, 'failed') : goto('read'),
      read: (u: UserContext) => {
        const d = dataOf(u);
        if (d.whole_in + d.part_in >= d.count) return goto('sync');
        return syscall('taken', SYS_read, d.in, u.data, d.bs);
      },
      taken: (u: UserContext, _, got) => {
        if (got < 0) return fail(u, 'from', 'read', got);
        if (got === 0) return goto('sync');
        const d = dataOf(u);
        if (got === d.bs) d.whole_in++;
        else d.part_in++;
        d.filled = got;
        d.written = 0;
        return goto('write');
      },
      write: (u: UserContext) => {
        const d = dataOf(u);
        return syscall('put', SYS_write, d.out, u.data + d.written, d.filled - d.written);
      },
      put: (u: UserContext, _, put) => {
        const d = dataOf(u);
        if (put === -EOPNOTSUPP && d.dsync !== 0) return goto('no_barriers');
        if (put <= 0) {
          count(d);
          return fail(u, 'to', 'written', put);
        }
        d.written += put;
        if (d.written < d.filled) return goto('write');
        count(d);
        return d.flush === 0 ? goto('read') : syscall('flushed', SYS_fsync, d.out);
      },
      flushed: (u: UserContext, _, result) =>
        result < 0 ? fail(u, 'to', 'flushed', result) : goto('read'),

      no_barriers: (u: UserContext) => {
        const d = dataOf(u);
        d.dsync = 0;
        d.flush = 1;
        const name = nameOf(u, d.to, 'stdout');
        return say(u, 'close', `dd: ${name} has no barriers: it is flushed after each block\n`);
      },
      close: (u: UserContext) => syscall('reopen', SYS_close, dataOf(u).out),
      reopen: (u: UserContext) => open(u, 'reopened'),
      reopened: (u: UserContext, _, fd) => {
        if (fd < 0) return fail(u, 'to', 'opened', fd);
        const d = dataOf(u);
        d.out = fd;
        return syscall('again', SYS_lseek, fd, d.seek * d.bs + d.total + d.written, SEEK_SET);
      },
      again: (u: UserContext, _, result) =>
        result < 0 ? fail(u, 'to', 'sought', result) : goto('write'),

      sync: (u: UserContext) => syscall('synced', SYS_fsync, dataOf(u).out),
      synced: (u: UserContext, _, result) =>
        result < 0 ? fail(u, 'to', 'flushed', result) : goto('tell'),
      tell: (u: UserContext) => {
        const d = dataOf(u);
        const records = `${d.whole_in}+${d.part_in} records in\n${d.whole_out}+${d.part_out} records out\n`;
        return say(u, 'ended', `${records}${d.total} bytes transferred\n`);
      },
      ended: (u: UserContext) => exit(dataOf(u).status),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
