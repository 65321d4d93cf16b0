/*
 * counter [N]: a line each second of guest time, for ever or N times.
 */
import {
  done,
  goto,
  type Program,
  routine,
  SYS_clock_gettime,
  SYS_nanosleep,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i64, st64, struct, u64, type View } from '@port-xen/layout';
import { argument, exit, print, wholeNumber } from './user.ts';

const CLOCK_MONOTONIC = 3;

const counter_data = struct('counter_data', {
  count: u64,
  last: u64,
  /** struct timespec. */
  seconds: i64,
  nanoseconds: i64,
  line: bytes(128),
});

const running = struct('counter_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof counter_data> => counter_data.at(u.memory, u.data);

export const counter: Program = {
  name: 'counter',
  data: counter_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const last = argc > 1 ? wholeNumber(argument(u, argv, 1), Number.MAX_SAFE_INTEGER) : 0;
        if (last === undefined) {
          return print(u, 'failed', u.data + counter_data.offset.line, 'usage: counter [N]\n');
        }
        dataOf(u).last = last;
        return goto('time');
      },
      time: (u: UserContext) =>
        syscall('line', SYS_clock_gettime, CLOCK_MONOTONIC, u.data + counter_data.offset.seconds),
      line: (u: UserContext) => {
        const d = dataOf(u);
        d.count++;
        const uptime = `${d.seconds}.${String(Math.floor(d.nanoseconds / 1e6)).padStart(3, '0')}`;
        const text = `counter ${d.count} up ${uptime} s\n`;
        return print(u, 'sleep', u.data + counter_data.offset.line, text);
      },
      sleep: (u: UserContext) => {
        const d = dataOf(u);
        if (d.count === d.last) return exit(0);
        const timespec = u.data + counter_data.offset.seconds;
        st64(u.memory, timespec, 1);
        st64(u.memory, timespec + 8, 0);
        return syscall('time', SYS_nanosleep, timespec, 0);
      },
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
