/*
 * clockwatch [ROUNDS]: watches every clock and says what it saw; 0 rounds is for ever, 3 are made by default.
 *
 *     a round   read every clock and print them · read a block of the first disk, if there is one · sleep for one tick · work
 *               for a second, looking at the time all along
 *
 *     checked   no clock goes back, unless somebody set the wall clock · monotonic time does not stand still at work, and goes
 *               on in steps of at most 100 ms, what the vCPU was kept from running not counted · uptime is not behind
 *               monotonic time · ticks are monotonic time in ticks · a sleep of one tick takes one to two · a second of work has its ticks within 1 % ·
 *               running + stolen + blocked + offline is the time that passed · a block is there within 100 ms, also when the
 *               domain was saved meanwhile
 *
 * It ends with the number of faults, and with status 1 if there were any.
 */
import {
  done,
  goto,
  type Next,
  type Program,
  routine,
  type Step,
  SYS___sysctl,
  SYS_clock_gettime,
  SYS_lseek,
  SYS_nanosleep,
  SYS_open,
  SYS_read,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { array, bytes, i32, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import {
  between,
  copySample,
  faultsOf,
  sample,
  seconds,
  stolen,
  TICK_NS,
  time,
  timespec,
} from './clock-sample.ts';
import { argument, exit, print, textBytes } from './user.ts';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 3;
const CLOCK_BOOTTIME = 6;
const CTL_MACHDEP = 7;
const MACHDEP_XEN_RUNSTATE = 1024;
const MACHDEP_XEN_CLOCK = 1025;

/** The largest step of monotonic time that a suspend and a resume may make. */
const STEP_MAX_NS = 100e6;
/** A second of work, by no clock: so many pieces of so much, with a look at the clocks after each twenty. */
const PIECES = 1000;
const PIECE_NS = 1_000_000;
const LOOK = 20;
const ROUNDS = 3;
const DISK = '/dev/xbd0\0';
const BLOCK = 512;
/** The longest that a block may take. */
const IO_MAX_NS = 100e6;

const clockwatch_data = struct('clockwatch_data', {
  /** First, and so page-aligned: the disk writes into it. */
  block: bytes(BLOCK),
  /** Of the disk; negative when there is none. */
  fd: i64,
  /** How long the last block took, ns. */
  io: u64,
  rounds: u32,
  round: u32,
  faults: u32,
  /** What reading is for: the step that it goes on at. */
  working: u32,
  /** Pieces of work done in this round. */
  pieces: u32,
  mib: array(i32, 2),
  size: u64,
  last: nest(sample),
  now: nest(sample),
  /** At the start of the sleep, or of the work. */
  start: nest(sample),
  request: nest(timespec),
  line: bytes(1024),
});

type Data = View<typeof clockwatch_data>;
const running = struct('clockwatch_locals', { pad: u64 });

const dataOf = (u: UserContext): Data => clockwatch_data.at(u.memory, u.data);

/** Prints faults, or goes on. */
const tell = (u: UserContext, then: string, faults: readonly string[]): Next => {
  const d = dataOf(u);
  if (faults.length === 0) return goto(then);
  d.faults += faults.length;
  const text = faults.map((fault) => `clockwatch: fault: ${fault}\n`).join('');
  return print(u, then, u.data + clockwatch_data.offset.line, text.slice(0, 1024));
};

const NOW = clockwatch_data.offset.now;
const { offset } = sample;

const readClock =
  (then: string, clock: number, into: number): Step<UserContext, unknown> =>
  (u) =>
    syscall(then, SYS_clock_gettime, clock, u.data + NOW + into);

const readNode =
  (then: string, node: number, into: number, size: number): Step<UserContext, unknown> =>
  (u) => {
    const d = dataOf(u);
    d.mib.set(0, CTL_MACHDEP);
    d.mib.set(1, node);
    d.size = size;
    const name = d.mib.address(0);
    const length = u.data + clockwatch_data.offset.size;
    return syscall(then, SYS___sysctl, name, 2, u.data + NOW + into, length, 0, 0);
  };

/** The line of a round. */
const describe = (d: Data): string => {
  const { now } = d;
  return (
    `clockwatch ${d.round}: mono ${time(now.mono)} up ${time(now.up)} wall ${time(now.wall)} ` +
    `ticks ${now.ticks} at-once ${now.ticks_at_once} ran ${seconds(now.runstate.get(0))} stolen ${seconds(stolen(now))} ` +
    `blocked ${seconds(now.runstate.get(2))} io ${seconds(d.io)} resumes ${now.resumes} steps ${now.steps} slews ${now.slews}\n`
  );
};

export const clockwatch: Program = {
  name: 'clockwatch',
  data: clockwatch_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, argc, argv) => {
        const d = dataOf(u);
        const rounds = argc > 1 ? Number(argument(u, argv, 1)) : ROUNDS;
        d.rounds = Number.isInteger(rounds) && rounds >= 0 ? rounds : ROUNDS;
        const path = u.data + clockwatch_data.offset.line;
        u.memory.write(path, textBytes(DISK));
        return syscall('opened', SYS_open, path, 0);
      },
      opened: (u: UserContext, _, fd) => {
        dataOf(u).fd = fd;
        return goto('read');
      },

      // Every clock, then the counters.
      read: readClock('read_up', CLOCK_MONOTONIC, offset.mono),
      read_up: readClock('read_wall', CLOCK_BOOTTIME, offset.up),
      read_wall: readClock('read_ticks', CLOCK_REALTIME, offset.wall),
      read_ticks: readNode('read_runstate', MACHDEP_XEN_CLOCK, offset.ticks, 48),
      read_runstate: readNode('have_read', MACHDEP_XEN_RUNSTATE, offset.runstate, 32),
      have_read: (u: UserContext) => {
        const d = dataOf(u);
        const faults = d.last.mode === 0 && d.last.ticks === 0 ? [] : faultsOf(d.now, d.last);
        const step = between(d.now.mono, d.last.mono) - (stolen(d.now) - stolen(d.last));
        if (d.working !== 0 && step > STEP_MAX_NS) {
          faults.unshift(`monotonic time jumped by ${seconds(step)} s`);
        }
        if (d.working !== 0 && between(d.now.mono, d.last.mono) === 0) {
          faults.unshift('monotonic time stands still');
        }
        copySample(d.now, d.last);
        return tell(u, d.working !== 0 ? 'work' : 'report', faults);
      },
      report: (u: UserContext) => {
        const d = dataOf(u);
        const then = d.fd < 0 ? 'nap' : 'seek';
        return print(u, then, u.data + clockwatch_data.offset.line, describe(d));
      },

      // A block of the disk.
      seek: (u: UserContext) => syscall('ask', SYS_lseek, dataOf(u).fd, 0, 0),
      ask: readClock('fetch', CLOCK_MONOTONIC, offset.mono),
      fetch: (u: UserContext) => {
        const d = dataOf(u);
        copySample(d.now, d.start);
        return syscall('fetched', SYS_read, d.fd, u.data, BLOCK);
      },
      fetched: (u: UserContext, _, length) =>
        tell(u, 'answer', length === BLOCK ? [] : [`the disk answered ${length}`]),
      answer: readClock('answered', CLOCK_MONOTONIC, offset.mono),
      answered: (u: UserContext) => {
        const d = dataOf(u);
        d.io = Math.max(0, between(d.now.mono, d.start.mono));
        return tell(u, 'nap', d.io > IO_MAX_NS ? [`a block took ${seconds(d.io)} s`] : []);
      },

      // A sleep of one tick.
      nap: readClock('sleep', CLOCK_MONOTONIC, offset.mono),
      sleep: (u: UserContext) => {
        const d = dataOf(u);
        copySample(d.now, d.start);
        d.request.tv_sec = 0;
        d.request.tv_nsec = TICK_NS;
        return syscall('woken', SYS_nanosleep, u.data + clockwatch_data.offset.request, 0);
      },
      woken: readClock('rested', CLOCK_MONOTONIC, offset.mono),
      rested: (u: UserContext) => {
        const d = dataOf(u);
        const slept = between(d.now.mono, d.start.mono);
        const faults: string[] = [];
        if (slept < TICK_NS) faults.push(`a sleep of one tick took ${seconds(slept)} s`);
        // Waking up and reading the time take some time, too.
        if (slept > 2.1 * TICK_NS && d.now.resumes === d.start.resumes) {
          faults.push(`a sleep of one tick took ${seconds(slept)} s`);
        }
        d.working = 1;
        d.pieces = 0;
        copySample(d.last, d.start);
        d.start.ticks = 0;
        return tell(u, 'read', faults);
      },

      // A second of work.
      work: (u: UserContext) => {
        const d = dataOf(u);
        if (d.start.ticks === 0) copySample(d.now, d.start);
        return d.pieces < PIECES ? goto('piece') : goto('worked');
      },
      piece: (u: UserContext) => {
        u.spend(PIECE_NS);
        return ++dataOf(u).pieces % LOOK === 0 ? goto('read') : goto('piece');
      },
      worked: (u: UserContext) => {
        const d = dataOf(u);
        const ticks = d.now.ticks - d.start.ticks;
        const wanted = between(d.now.mono, d.start.mono) / TICK_NS;
        const faults: string[] = [];
        // One tick of a hundred: what the ends of the second cut off.
        if (Math.abs(ticks - wanted) > 1) {
          faults.push(`${ticks} ticks in ${(wanted / 100).toFixed(3)} s of work`);
        }
        d.working = 0;
        d.round++;
        return tell(u, d.round === d.rounds ? 'end' : 'read', faults);
      },
      end: (u: UserContext) => {
        const d = dataOf(u);
        const text = `clockwatch: ${d.round} rounds, ${d.faults} faults\n`;
        return print(u, 'ended', u.data + clockwatch_data.offset.line, text);
      },
      ended: (u: UserContext) => exit(dataOf(u).faults === 0 ? 0 : 1),
      never: () => done(),
    }),
  },
};
