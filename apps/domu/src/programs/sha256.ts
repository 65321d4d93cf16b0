/*
 * sha256 DEVICE: reads a device to its end and prints the SHA-256 digest of its bytes.
 *
 * All that it knows is in its variables: the hash value, how much was taken in, and the bytes that do not fill a block.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_open,
  SYS_read,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { array, bytes, i32, i64, ldI64, struct, u32, u64, type View } from '@port-xen/layout';
import { SHA256_INITIAL, sha256Blocks, sha256Hex, sha256Padding } from './sha256-block.ts';
import { argument, exit, print } from './user.ts';

const BUFFER_SIZE = 65536;
const BLOCK = 64;
/** Virtual time of hashing. */
const NS_PER_BYTE = 1;

const sha256_data = struct('sha256_data', {
  /** Page-aligned: the disk writes straight into it. */
  buffer: bytes(BUFFER_SIZE),
  h: array(i32, 8),
  total: u64,
  tail_length: u32,
  tail: bytes(BLOCK),
  line: bytes(512),
});

const running = struct('sha256_locals', { argv: i64, fd: i64 });

const dataOf = (u: UserContext): View<typeof sha256_data> => sha256_data.at(u.memory, u.data);

const lineAt = (u: UserContext): number => u.data + sha256_data.offset.line;

/** Takes `length` bytes of the buffer into the hash value. */
const update = (u: UserContext, length: number): void => {
  const d = dataOf(u);
  const tail = d.tail.subarray(0, d.tail_length);
  const message = new Uint8Array(tail.length + length);
  message.set(tail);
  u.memory.read(u.data, message.subarray(tail.length));
  const state = Int32Array.from({ length: 8 }, (_, i) => d.h.get(i));
  const whole = Math.floor(message.length / BLOCK) * BLOCK;
  sha256Blocks(state, message.subarray(0, whole));
  u.spend(length * NS_PER_BYTE);
  state.forEach((word, i) => {
    d.h.set(i, word);
  });
  d.total += length;
  d.tail_length = message.length - whole;
  d.tail = message.subarray(whole);
};

/** The digest of everything taken in. */
const digest = (u: UserContext): string => {
  const d = dataOf(u);
  const state = Int32Array.from({ length: 8 }, (_, i) => d.h.get(i));
  sha256Blocks(state, sha256Padding(d.tail.subarray(0, d.tail_length), d.total));
  return sha256Hex(state);
};

const complain = (u: UserContext, argv: number, what: string, result: number): Next => {
  const device = argument(u, argv, 1).slice(0, 64);
  return print(u, 'failed', lineAt(u), `sha256: ${device} ${what}: error ${-result}\n`);
};

export const sha256: Program = {
  name: 'sha256',
  data: sha256_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, l, argc, argv) => {
        if (argc !== 2) return print(u, 'failed', lineAt(u), 'usage: sha256 DEVICE\n');
        l.argv = argv;
        const d = dataOf(u);
        SHA256_INITIAL.forEach((word, i) => {
          d.h.set(i, word);
        });
        return syscall('opened', SYS_open, ldI64(u.memory, argv + 8), 0);
      },
      opened: (u: UserContext, l, fd) => {
        if (fd < 0) return complain(u, l.argv, 'cannot be opened', fd);
        l.fd = fd;
        return goto('read');
      },
      read: (u: UserContext, l) => syscall('taken', SYS_read, l.fd, u.data, BUFFER_SIZE),
      taken: (u: UserContext, l, count) => {
        if (count < 0) return complain(u, l.argv, 'cannot be read', count);
        if (count === 0) return print(u, 'ended', lineAt(u), `${digest(u)}\n`);
        update(u, count);
        return goto('read');
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
