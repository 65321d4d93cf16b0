/*
 * sleep SECONDS: waits that long, a decimal fraction allowed, and ends.
 */
import {
  done,
  type Program,
  routine,
  SYS_nanosleep,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, struct, u64, type View } from '@port-xen/layout';
import { argument, exit, print } from './user.ts';

const sleep_data = struct('sleep_data', {
  /** struct timespec. */
  seconds: i64,
  nanoseconds: i64,
  line: bytes(128),
});

const running = struct('sleep_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof sleep_data> => sleep_data.at(u.memory, u.data);

export const sleep: Program = {
  name: 'sleep',
  data: sleep_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const text = argc === 2 ? argument(u, argv, 1) : '';
        const match = /^(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text);
        const d = dataOf(u);
        if (match === null) {
          return print(u, 'usage', u.data + sleep_data.offset.line, 'usage: sleep seconds\n');
        }
        d.seconds = Number(match[1]);
        d.nanoseconds = Number((match[2] ?? '').padEnd(9, '0'));
        return syscall('slept', SYS_nanosleep, u.data + sleep_data.offset.seconds, 0);
      },
      slept: (_: UserContext, __, error) => exit(error < 0 ? 1 : 0),
      usage: () => exit(1),
      never: () => done(),
    }),
  },
};
