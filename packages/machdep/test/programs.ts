/*
 * Programs for tests: one that counts for ever, ones that do what they must not.
 */
import {
  call,
  done,
  goto,
  type Next,
  type Program,
  routine,
  SYS_exit,
  SYS_nanosleep,
  SYS_open,
  SYS_write,
  syscall,
  type UserContext,
} from '@port-xen/kern';
import { bytes, cString, ldI64, st64, struct, u64 } from '@port-xen/layout';

const counting_data = struct('counting_data', {
  count: u64,
  timespec: bytes(16),
  line: bytes(128),
});
const nothing = struct('nothing', { pad: u64 });
const LINE = counting_data.offset.line;
const TIMESPEC = counting_data.offset.timespec;
const TEN_MS_NS = 10_000_000;

const print = (u: UserContext, then: string, text: string): Next => {
  u.memory.write(u.data + LINE, cString(text));
  return syscall(then, SYS_write, 1, u.data + LINE, text.length);
};

const argumentsOf = (u: UserContext, argc: number, argv: number): string[] =>
  Array.from({ length: argc }, (_, i) => {
    const at = ldI64(u.memory, argv + 8 * i);
    let text = '';
    for (let j = 0; u.memory.ld8(at + j) !== 0; j++) {
      text += String.fromCharCode(u.memory.ld8(at + j));
    }
    return text;
  });

/** Prints `tick N` every ten milliseconds. */
export const ticker: Program = {
  name: 'ticker',
  data: counting_data,
  entry: 'main',
  text: {
    main: routine(nothing, {
      tick: (u: UserContext) => {
        const d = counting_data.at(u.memory, u.data);
        d.count++;
        return print(u, 'sleep', `tick ${d.count}\n`);
      },
      sleep: (u: UserContext) => {
        st64(u.memory, u.data + TIMESPEC, 0);
        st64(u.memory, u.data + TIMESPEC + 8, TEN_MS_NS);
        return syscall('tick', SYS_nanosleep, u.data + TIMESPEC, 0);
      },
    }),
  },
};

/** Prints its arguments and ends with the status that the last one says. */
export const echo: Program = {
  name: 'echo',
  data: counting_data,
  entry: 'main',
  text: {
    main: routine(nothing, {
      start: (u: UserContext, l, argc, argv) => {
        const args = argumentsOf(u, argc, argv);
        l.pad = Number(args[args.length - 1]) || 0;
        return print(u, 'exit', `${args.join('|')}\n`);
      },
      exit: (_, l) => syscall('never', SYS_exit, l.pad),
      never: () => done(),
    }),
  },
};

const doing = (name: string, act: (u: UserContext) => void): Program => ({
  name,
  data: counting_data,
  entry: 'main',
  text: {
    main: routine(nothing, {
      start: (u: UserContext) => {
        act(u);
        return goto('never');
      },
      never: () => syscall('never', SYS_exit, 0),
    }),
  },
});

/** Loads from where nothing is mapped. */
export const loader: Program = doing('loader', (u) => u.memory.ld32(0x1234_5678));

/** Stores into its own text. */
export const storer: Program = doing('storer', (u) => u.memory.st32(0x40_0000, 0));

/** Looks into the kernel. */
export const peeker: Program = doing('peeker', (u) => u.memory.ld32(-0x8000_0000 + 0x20_2000));

/** Executes what is no instruction. */
export const jumper: Program = {
  name: 'jumper',
  data: counting_data,
  entry: 'main',
  text: {
    main: routine(nothing, {
      start: (u: UserContext) => call('never', u.data),
      never: () => done(),
    }),
  },
};

/** Opens a device that there is not, and ends with the number of the error. */
export const opener: Program = {
  name: 'opener',
  data: counting_data,
  entry: 'main',
  text: {
    main: routine(nothing, {
      start: (u: UserContext) => {
        u.memory.write(u.data, cString('/dev/none'));
        return syscall('opened', SYS_open, u.data, 0);
      },
      opened: (_, __, fd) => syscall('never', SYS_exit, -fd),
      never: () => done(),
    }),
  },
};
