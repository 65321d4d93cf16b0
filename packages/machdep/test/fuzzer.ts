/*
 * fuzzer SEED CALLS: makes system calls of every kind with arguments that make no sense, or hardly, and says that it has survived.
 * Children that it makes by accident do the same, a little, and end.
 */
import {
  done,
  goto,
  type Program,
  routine,
  SYS___sysctl,
  SYS___wait450,
  SYS_clock_gettime,
  SYS_close,
  SYS_execve,
  SYS_exit,
  SYS_fork,
  SYS_fsync,
  SYS_getpid,
  SYS_kill,
  SYS_lseek,
  SYS_mmap,
  SYS_munmap,
  SYS_nanosleep,
  SYS_open,
  SYS_read,
  SYS_write,
  syscall,
  USER_DATA,
  type UserContext,
  VM_MAXUSER_ADDRESS,
} from '@port-xen/kern';
import { bytes, cString, i32, ldI64, struct, u32, u64, type View } from '@port-xen/layout';

const WNOHANG = 1;
const CHILD_CALLS = 5;

const CALLS = [
  SYS_fork,
  SYS_read,
  SYS_write,
  SYS_open,
  SYS_close,
  SYS_getpid,
  SYS_kill,
  SYS_execve,
  SYS_munmap,
  SYS_fsync,
  SYS_mmap,
  SYS_lseek,
  SYS___sysctl,
  SYS_clock_gettime,
  SYS_nanosleep,
  SYS___wait450,
  0,
  449 + 1,
  2 ** 31,
  -1,
];

const fuzzer_data = struct('fuzzer_data', {
  /** Zeroes: a time that is over at once, an empty name. */
  zeroes: bytes(64),
  random: i32,
  /** It was made by a fork. */
  child: u32,
  left: u64,
  calls: u64,
  failures: u64,
  status: u32,
  device: bytes(12),
  line: bytes(64),
  heap: bytes(12_000),
});

const running = struct('fuzzer_locals', { pad: u64 });
const { offset } = fuzzer_data;

const ARGUMENTS: readonly number[] = [
  0,
  1,
  2,
  3,
  8,
  -1,
  -4096,
  16,
  511,
  4096,
  0x1002,
  0x1012,
  2 ** 20,
  2 ** 31,
  2 ** 40,
  2 ** 52,
  -(2 ** 47),
  -(2 ** 52),
  -0x8000_0000,
  -0x6000_0000_0000,
  USER_DATA,
  USER_DATA + offset.device,
  USER_DATA + offset.heap,
  USER_DATA + offset.heap + 8190,
  USER_DATA + 20 * 4096,
  USER_DATA - 4,
  2 ** 32,
  2 ** 32 + 4096 * 3,
  VM_MAXUSER_ADDRESS - 8,
  VM_MAXUSER_ADDRESS - 4096 * 10,
  VM_MAXUSER_ADDRESS,
];

const dataOf = (u: UserContext): View<typeof fuzzer_data> => fuzzer_data.at(u.memory, u.data);

const draw = (d: View<typeof fuzzer_data>, limit: number): number => {
  let x = d.random;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  d.random = x;
  return (x >>> 0) % limit;
};

export const fuzzer: Program = {
  name: 'fuzzer',
  data: fuzzer_data,
  entry: 'main',
  text: {
    main: routine(running, {
      start: (u: UserContext, _, __, argv) => {
        const d = dataOf(u);
        const number = (index: number): number => {
          let text = '';
          const at = ldI64(u.memory, argv + 8 * index);
          for (let i = 0; u.memory.ld8(at + i) !== 0; i++) {
            text += String.fromCharCode(u.memory.ld8(at + i));
          }
          return Number(text);
        };
        d.random = Math.imul(number(1) + 1, 0x9e3779b1) | 1;
        d.left = number(2);
        return goto('call');
      },
      call: (u: UserContext) => {
        const d = dataOf(u);
        if (d.left === 0) return goto('told');
        d.left--;
        d.calls++;
        // What a call has stored here must not become an argument that waits.
        d.zeroes = new Uint8Array(64);
        d.device = cString('/dev/klog');
        const number = CALLS[draw(d, CALLS.length)] as number;
        const args = Array.from(
          { length: 6 },
          () => ARGUMENTS[draw(d, ARGUMENTS.length)] as number,
        );
        // The console, a parent's patience and a long sleep are all that could keep it for ever.
        if (number === SYS_read && (args[0] as number) < 3) args[0] = 3;
        if (number === SYS_write && (args[0] as number) < 3) args[2] = 0;
        if (number === SYS___wait450) args[2] = WNOHANG;
        if (number === SYS_nanosleep && (args[0] as number) > USER_DATA) args[0] = USER_DATA;
        if (number === SYS_kill) args[0] = -(args[0] as number);
        return syscall(number === SYS_fork ? 'forked' : 'made', number, ...args);
      },
      forked: (u: UserContext, _, pid) => {
        const d = dataOf(u);
        if (pid === 0) {
          d.random = (d.random ^ 0x5bd1e995) | 1;
          d.left = CHILD_CALLS;
          d.child = 1;
        }
        return goto('call');
      },
      made: (u: UserContext, _, result) => {
        if (result < 0) dataOf(u).failures++;
        return goto('call');
      },
      told: (u: UserContext) => {
        const d = dataOf(u);
        if (d.child !== 0) return syscall('never', SYS_exit, 0);
        const text = `fuzzer: ${d.calls} calls, ${d.failures > d.calls / 4 ? 'many' : 'few'} failed\n`;
        u.memory.write(u.data + offset.line, cString(text));
        return syscall('ended', SYS_write, 1, u.data + offset.line, text.length);
      },
      ended: () => syscall('never', SYS_exit, 0),
      never: () => done(),
    }),
  },
};
