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
import { bytes, i64, ldI64, nest, struct, type View } from '@port-xen/layout';
import { sha256_context, sha256Digest, sha256Init, sha256Update } from './sha256-context.ts';
import { strerror } from './strerror.ts';
import { argument, exit, print } from './user.ts';

const BUFFER_SIZE = 65536;

const sha256_data = struct('sha256_data', {
  /** Page-aligned: the disk writes straight into it. */
  buffer: bytes(BUFFER_SIZE),
  hash: nest(sha256_context),
  line: bytes(512),
});

const running = struct('sha256_locals', { argv: i64, fd: i64 });

const dataOf = (u: UserContext): View<typeof sha256_data> => sha256_data.at(u.memory, u.data);

const lineAt = (u: UserContext): number => u.data + sha256_data.offset.line;

const complain = (u: UserContext, argv: number, what: string, result: number): Next => {
  const device = argument(u, argv, 1).slice(0, 64);
  return print(u, 'failed', lineAt(u), `sha256: ${device} ${what}: ${strerror(-result)}\n`);
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
        sha256Init(dataOf(u).hash);
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
        if (count === 0) return print(u, 'ended', lineAt(u), `${sha256Digest(dataOf(u).hash)}\n`);
        sha256Update(u, dataOf(u).hash, u.data, count);
        return goto('read');
      },
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
