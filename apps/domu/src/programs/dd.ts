/*
 * dd if=DEVICE of=DEVICE [bs=BYTES] [count=BLOCKS] [skip=BLOCKS] [seek=BLOCKS] [oflag=dsync]: copies blocks; without `of` to the
 * console, without `if` from it. Sizes may end in k or m. With oflag=dsync each block is on the medium before the next is read.
 */
import {
  done,
  goto,
  type Next,
  O_DSYNC,
  type Program,
  routine,
  SYS_fsync,
  SYS_lseek,
  SYS_open,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, struct, u32, u64, type View } from '@port-xen/layout';
import { strerror } from './strerror.ts';
import { argumentsOf, exit, numberOf, print, textBytes } from './user.ts';

const BS_MAX = 65536;
const PATH_MAX = 64;
const SEEK_SET = 0;
const O_WRONLY = 1;
const SUFFIX: Readonly<Record<string, number>> = { k: 1024, m: 2 ** 20 };

const dd_data = struct('dd_data', {
  buffer: bytes(BS_MAX),
  from: bytes(PATH_MAX),
  to: bytes(PATH_MAX),
  in: i64,
  out: i64,
  bs: u32,
  count: u64,
  skip: u64,
  seek: u64,
  oflag: u32,
  filled: u64,
  written: u64,
  whole_in: u64,
  part_in: u64,
  whole_out: u64,
  part_out: u64,
  total: u64,
  line: bytes(256),
});

const running = struct('dd_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof dd_data> => dd_data.at(u.memory, u.data);

const say = (u: UserContext, then: string, text: string): Next =>
  print(u, then, u.data + dd_data.offset.line, text);

/** A size with its suffix. */
const sizeOf = (text: string | undefined, fallback: number): number => {
  const factor = SUFFIX[text?.at(-1) ?? ''];
  return factor === undefined
    ? numberOf(text, fallback)
    : numberOf(text?.slice(0, -1), fallback) * factor;
};

export const dd: Program = {
  name: 'dd',
  data: dd_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const operands = argumentsOf(u, argc, argv).slice(1);
        const given = new Map(
          operands.map((text): [string, string] => {
            const at = text.indexOf('=');
            return [text.slice(0, at), text.slice(at + 1)];
          }),
        );
        const d = dataOf(u);
        d.bs = sizeOf(given.get('bs'), 512);
        d.count = sizeOf(given.get('count'), Number.MAX_SAFE_INTEGER);
        d.skip = sizeOf(given.get('skip'), 0);
        d.seek = sizeOf(given.get('seek'), 0);
        d.oflag = given.get('oflag') === 'dsync' ? O_WRONLY | O_DSYNC : O_WRONLY;
        if (d.bs === 0 || d.bs > BS_MAX) {
          return say(u, 'failed', `dd: bs has to be within 1 and ${BS_MAX}\n`);
        }
        d.from = textBytes((given.get('if') ?? '').slice(0, PATH_MAX - 1));
        d.to = textBytes((given.get('of') ?? '').slice(0, PATH_MAX - 1));
        d.out = 1;
        if (!given.has('if')) return goto('output');
        return syscall('opened', SYS_open, u.data + dd_data.offset.from, 0);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return say(u, 'failed', `dd: if cannot be opened: ${strerror(-fd)}\n`);
        const d = dataOf(u);
        d.in = fd;
        return syscall('output', SYS_lseek, fd, d.skip * d.bs, SEEK_SET);
      },
      output: (u: UserContext) => {
        if (dataOf(u).to[0] === 0) return goto('read');
        return syscall('both', SYS_open, u.data + dd_data.offset.to, dataOf(u).oflag);
      },
      both: (u: UserContext, _, fd) => {
        if (fd < 0) return say(u, 'failed', `dd: of cannot be opened: ${strerror(-fd)}\n`);
        const d = dataOf(u);
        d.out = fd;
        return syscall('read', SYS_lseek, fd, d.seek * d.bs, SEEK_SET);
      },
      read: (u: UserContext) => {
        const d = dataOf(u);
        if (d.whole_in + d.part_in >= d.count) return goto('sync');
        return syscall('taken', SYS_read, d.in, u.data, d.bs);
      },
      taken: (u: UserContext, _, count) => {
        if (count < 0) return say(u, 'failed', `dd: read ${strerror(-count)}\n`);
        if (count === 0) return goto('sync');
        const d = dataOf(u);
        if (count === d.bs) d.whole_in++;
        else d.part_in++;
        d.filled = count;
        d.written = 0;
        return goto('write');
      },
      write: (u: UserContext) => {
        const d = dataOf(u);
        return syscall('put', SYS_write, d.out, u.data + d.written, d.filled - d.written);
      },
      put: (u: UserContext, _, count) => {
        if (count <= 0) return say(u, 'failed', `dd: write ${strerror(-count)}\n`);
        const d = dataOf(u);
        d.written += count;
        if (d.written < d.filled) return goto('write');
        if (d.filled === d.bs) d.whole_out++;
        else d.part_out++;
        d.total += d.filled;
        return goto('read');
      },
      sync: (u: UserContext) => syscall('tell', SYS_fsync, dataOf(u).out),
      tell: (u: UserContext, _, result) => {
        if (result < 0) return say(u, 'failed', `dd: flush ${strerror(-result)}\n`);
        const d = dataOf(u);
        const records = `${d.whole_in}+${d.part_in} records in\n${d.whole_out}+${d.part_out} records out\n`;
        return say(u, 'ended', `${records}${d.total} bytes transferred\n`);
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
