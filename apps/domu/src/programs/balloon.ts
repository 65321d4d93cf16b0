/*
 * balloon [MIB [SECONDS]]: asks the kernel to make do with so much memory, or to take so much again, and waits until it has, for ten
 * seconds or as long as is said. Without a number it shows how much there is.
 */
import {
  done,
  type Next,
  type Program,
  routine,
  SYS___sysctl,
  SYS_nanosleep,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { array, bytes, i32, st64, struct, u64, type View } from '@port-xen/layout';
import { argumentsOf, exit, print, wholeNumber } from './user.ts';

const CTL_MACHDEP = 7;
const BALLOON_CURRENT = 1030;
const BALLOON_TARGET = 1031;
const PAUSE_NS = 20_000_000;
const LOOKS_PER_SECOND = 50;
const KIB_PER_MIB = 1024;
const MIB_MAX = 2 ** 30;
const SECONDS_MAX = 2 ** 30;

const balloon_data = struct('balloon_program_data', {
  mib: array(i32, 2),
  size: u64,
  /** KiB. */
  value: u64,
  wanted: u64,
  looks: u64,
  pause: bytes(16),
  line: bytes(128),
});

const running = struct('balloon_program_locals', { pad: u64 });

const dataOf = (u: UserContext): View<typeof balloon_data> => balloon_data.at(u.memory, u.data);
const { size: SIZE, value: VALUE, wanted: WANTED, pause: PAUSE, line: LINE } = balloon_data.offset;

const ask = (u: UserContext, then: string, node: number): Next => {
  const d = dataOf(u);
  d.mib.set(0, CTL_MACHDEP);
  d.mib.set(1, node);
  d.size = 8;
  const { data } = u;
  return node === BALLOON_TARGET && d.wanted > 0
    ? syscall(then, SYS___sysctl, data, 2, data + VALUE, data + SIZE, data + WANTED, 8)
    : syscall(then, SYS___sysctl, data, 2, data + VALUE, data + SIZE, 0, 0);
};

export const balloon: Program = {
  name: 'balloon',
  data: balloon_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const [, size = '1', time = '10', more] = argumentsOf(u, argc, argv);
        const mib = wholeNumber(size, MIB_MAX);
        const seconds = wholeNumber(time, SECONDS_MAX);
        if (!mib || seconds === undefined || more !== undefined) {
          return print(u, 'failed', u.data + LINE, 'usage: balloon [MIB [SECONDS]]\n');
        }
        const d = dataOf(u);
        d.wanted = argc === 1 ? 0 : mib * KIB_PER_MIB;
        d.looks = seconds * LOOKS_PER_SECOND;
        return d.wanted === 0 ? ask(u, 'shown', BALLOON_CURRENT) : ask(u, 'look', BALLOON_TARGET);
      },
      look: (u: UserContext) => ask(u, 'seen', BALLOON_CURRENT),
      seen: (u: UserContext, _, result) => {
        const d = dataOf(u);
        const there = `balloon: ${d.value} KiB of ${d.wanted} KiB\n`;
        if (result < 0) return print(u, 'failed', u.data + LINE, 'balloon: there is none\n');
        if (d.value === d.wanted) return print(u, 'ended', u.data + LINE, there);
        if (d.looks-- <= 0) return print(u, 'failed', u.data + LINE, there);
        st64(u.memory, u.data + PAUSE, 0);
        st64(u.memory, u.data + PAUSE + 8, PAUSE_NS);
        return syscall('look', SYS_nanosleep, u.data + PAUSE, 0);
      },
      shown: (u: UserContext) =>
        print(u, 'ended', u.data + LINE, `balloon: ${dataOf(u).value} KiB\n`),
      ended: () => exit(0),
      failed: () => exit(1),
      never: () => done(),
    }),
  },
};
