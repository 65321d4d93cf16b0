/*
 * cp FROM TO: copies a device to another one, to the end of the first, and makes sure that it is on the medium.
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
import { bytes, i64, ldI64, struct, u64, type View } from '@port-xen/layout';
import { strerror } from './strerror.ts';
import { argument, exit, print } from './user.ts';

const BUFFER_SIZE = 65536;

const cp_data = struct('cp_data', {
  /** Page-aligned: the disks read and write it. */
  buffer: bytes(BUFFER_SIZE),
  argv: i64,
  from: i64,
  to: i64,
  /** Bytes of the buffer that are to be written, and how many were. */
  filled: u64,
  written: u64,
  copied: u64,
  line: bytes(256),
});

const running = struct('cp_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof cp_data> => cp_data.at(u.memory, u.data);
const LINE = cp_data.offset.line;

const complain = (u: UserContext, index: number, what: string, result: number): Next => {
  const device = argument(u, dataOf(u).argv, index).slice(0, 64);
  return print(u, 'failed', u.data + LINE, `cp: ${device} ${what}: ${strerror(-result)}\n`);
};

export const cp: Program = {
  name: 'cp',
  data: cp_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        if (argc !== 3) return print(u, 'failed', u.data + LINE, 'usage: cp FROM TO\n');
        dataOf(u).argv = argv;
        return syscall('opened', SYS_open, ldI64(u.memory, argv + 8), 0);
      },
      opened: (u: UserContext, _, fd) => {
        if (fd < 0) return complain(u, 1, 'cannot be opened', fd);
        const d = dataOf(u);
        d.from = fd;
        return syscall('both', SYS_open, ldI64(u.memory, d.argv + 16), 1);
      },
      both: (u: UserContext, _, fd) => {
        if (fd < 0) return complain(u, 2, 'cannot be opened', fd);
        dataOf(u).to = fd;
        return goto('read');
      },
      read: (u: UserContext) => syscall('taken', SYS_read, dataOf(u).from, u.data, BUFFER_SIZE),
      taken: (u: UserContext, _, count) => {
        if (count < 0) return complain(u, 1, 'cannot be read', count);
        const d = dataOf(u);
        if (count === 0) return syscall('synced', SYS_fsync, d.to);
        d.filled = count;
        d.written = 0;
        return goto('write');
      },
      write: (u: UserContext) => {
        const d = dataOf(u);
        return syscall('put', SYS_write, d.to, u.data + d.written, d.filled - d.written);
      },
      put: (u: UserContext, _, count) => {
        if (count <= 0) return complain(u, 2, 'cannot be written', count);
        const d = dataOf(u);
        d.written += count;
        d.copied += count;
        return goto(d.written < d.filled ? 'write' : 'read');
      },
      synced: (u: UserContext, _, result) => {
        if (result < 0) return complain(u, 2, 'cannot be flushed', result);
        return print(u, 'ended', u.data + LINE, `cp: ${dataOf(u).copied} bytes copied\n`);
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
