/*
 * date [-a] [[[cc]yy]mmddHHMM[.SS]]: sets the wall clock if a time is given, at once or, with -a, slowly (adjtime); then
 * prints it, in UTC.
 */
import {
  done,
  goto,
  type Program,
  routine,
  SYS_adjtime,
  SYS_clock_gettime,
  SYS_clock_settime,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, i32, i64, struct, u32, type View } from '@port-xen/layout';
import { dateText, parseDate } from './calendar.ts';
import { strerror } from './strerror.ts';
import { argument, exit, print } from './user.ts';

const CLOCK_REALTIME = 0;

const date_data = struct('date_data', {
  /** struct timespec. */
  tv_sec: i64,
  tv_nsec: i64,
  /** struct timeval, for adjtime. */
  delta_sec: i64,
  delta_usec: i32,
  slowly: u32,
  line: bytes(128),
});

const running = struct('date_locals', { argv: i64 });

const dataOf = (u: UserContext): View<typeof date_data> => date_data.at(u.memory, u.data);
const lineAt = (u: UserContext): number => u.data + date_data.offset.line;

export const date: Program = {
  name: 'date',
  data: date_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, l, argc, argv) => {
        const slowly = argc > 1 && argument(u, argv, 1) === '-a' ? 1 : 0;
        dataOf(u).slowly = slowly;
        if (argc > 2 + slowly) return goto('usage');
        l.argv = argc > 1 + slowly ? argv + 8 * (1 + slowly) : 0;
        return syscall(l.argv === 0 ? 'print' : 'set', SYS_clock_gettime, CLOCK_REALTIME, u.data);
      },
      set: (u: UserContext, l) => {
        const d = dataOf(u);
        const to = parseDate(argument(u, l.argv, 0), d.tv_sec);
        if (to === undefined) return goto('usage');
        if (d.slowly !== 0) {
          d.delta_sec = to - d.tv_sec;
          d.delta_usec = -Math.floor(d.tv_nsec / 1000);
          return syscall('was_set', SYS_adjtime, u.data + date_data.offset.delta_sec, 0);
        }
        d.tv_sec = to;
        d.tv_nsec = 0;
        return syscall('was_set', SYS_clock_settime, CLOCK_REALTIME, u.data);
      },
      was_set: (u: UserContext, _, error) =>
        error < 0
          ? print(u, 'failed', lineAt(u), `date: the clock was not set: ${strerror(-error)}\n`)
          : syscall('print', SYS_clock_gettime, CLOCK_REALTIME, u.data),
      print: (u: UserContext) => print(u, 'printed', lineAt(u), `${dateText(dataOf(u).tv_sec)}\n`),
      printed: () => exit(0),
      usage: (u: UserContext) =>
        print(u, 'failed', lineAt(u), 'usage: date [-a] [[[cc]yy]mmddHHMM[.SS]]\n'),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
