/*
 * cat [DEVICE…]: shows what devices hold; the console's input without any. dmesg: cat of the kernel's messages.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_close,
  SYS_open,
  SYS_read,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, ldI64, struct, u32, u64, type View } from '@port-xen/layout';
import { strerror } from './strerror.ts';
import { argument, exit, print, textBytes } from './user.ts';

const BUFFER_SIZE = 4096;
const KLOG = '/dev/klog';

const cat_data = struct('cat_data', {
  buffer: bytes(BUFFER_SIZE),
  argv: i64,
  argc: u32,
  /** Which argument is shown. */
  index: u32,
  fd: i64,
  filled: u64,
  written: u64,
  failures: u32,
  /** What went wrong last: -errno. */
  error: i64,
  line: bytes(256),
});

const running = struct('cat_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof cat_data> => cat_data.at(u.memory, u.data);
const LINE = cat_data.offset.line;

/** Goes on at `failed`, which tells why. */
const fail = (u: UserContext, error: number): Next => {
  dataOf(u).error = error;
  return goto('failed');
};

/** Shows fd to its end. */
const copying = {
  read: (u: UserContext): Next => syscall('taken', SYS_read, dataOf(u).fd, u.data, BUFFER_SIZE),
  taken: (u: UserContext, _: unknown, count: number): Next => {
    const d = dataOf(u);
    if (count < 0) return fail(u, count);
    d.filled = count;
    d.written = 0;
    return goto(count === 0 ? 'close' : 'write');
  },
  write: (u: UserContext): Next => {
    const d = dataOf(u);
    return syscall('put', SYS_write, 1, u.data + d.written, d.filled - d.written);
  },
  put: (u: UserContext, _: unknown, count: number): Next => {
    const d = dataOf(u);
    if (count <= 0) return fail(u, count);
    d.written += count;
    return goto(d.written < d.filled ? 'write' : 'read');
  },
};

export const cat: Program = {
  name: 'cat',
  data: cat_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const d = dataOf(u);
        d.argc = argc;
        d.argv = argv;
        return goto(argc === 1 ? 'read' : 'open');
      },
      open: (u: UserContext) => {
        const d = dataOf(u);
        if (++d.index >= d.argc) return exit(d.failures === 0 ? 0 : 1);
        return syscall('opened', SYS_open, ldI64(u.memory, d.argv + 8 * d.index), 0);
      },
      opened: (u: UserContext, _, fd) => {
        dataOf(u).fd = fd;
        return fd < 0 ? fail(u, fd) : goto('read');
      },
      ...copying,
      close: (u: UserContext) => {
        const d = dataOf(u);
        return d.argc === 1 ? exit(0) : syscall('open', SYS_close, d.fd);
      },
      failed: (u: UserContext) => {
        const d = dataOf(u);
        d.failures++;
        const name = d.argc === 1 ? 'stdin' : argument(u, d.argv, d.index).slice(0, 64);
        const why = strerror(-d.error);
        // The next one is shown all the same; one that is open is given up first.
        const then = d.fd < 0 || d.argc === 1 ? 'open' : 'close';
        return print(u, then, u.data + LINE, `cat: ${name} cannot be read: ${why}\n`);
      },
      never: () => done(),
    }),
  },
};

export const dmesg: Program = {
  name: 'dmesg',
  data: cat_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext) => {
        u.memory.write(u.data, textBytes(`${KLOG}\0`));
        return syscall('opened', SYS_open, u.data, 0);
      },
      opened: (u: UserContext, _, fd) => {
        dataOf(u).fd = fd;
        return goto(fd < 0 ? 'failed' : 'read');
      },
      ...copying,
      close: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
