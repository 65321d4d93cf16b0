/*
 * The system calls (syscalls.master): which text serves each, and which of the program's memory it works on.
 */
import {
  type Operand,
  SYS___sysctl,
  SYS___wait450,
  SYS_adjtime,
  SYS_clock_getres,
  SYS_clock_gettime,
  SYS_clock_settime,
  SYS_close,
  SYS_execve,
  SYS_exit,
  SYS_fork,
  SYS_fsync,
  SYS_getpid,
  SYS_gettimeofday,
  SYS_kill,
  SYS_lseek,
  SYS_mmap,
  SYS_munmap,
  SYS_nanosleep,
  SYS_open,
  SYS_read,
  SYS_settimeofday,
  SYS_write,
} from '@port-xen/kern';

/** struct timespec and struct timeval, bytes. */
const TIME_SIZE = 16;
/** CTL_MAXNAME numbers. */
const SYSCTL_NAME_SIZE = 48;
/** No value that sysctl(3) gives here is longer. */
const SYSCTL_VALUE_SIZE = 256;

/** Number, symbol, operands. */
export const SYSENT: readonly (readonly [
  number: number,
  symbol: string,
  ...operands: readonly Operand[],
])[] = [
  [SYS_exit, 'sys_exit'],
  [SYS_fork, 'sys_fork'],
  [SYS_read, 'sys_read', { pointer: 1, length: 2, write: true }],
  [SYS_write, 'sys_write', { pointer: 1, length: 2 }],
  [SYS_open, 'sys_open'],
  [SYS_close, 'sys_close'],
  [SYS_getpid, 'sys_getpid'],
  [SYS_kill, 'sys_kill'],
  [SYS_execve, 'sys_execve'],
  [SYS_munmap, 'sys_munmap'],
  [SYS_fsync, 'sys_fsync'],
  [SYS_mmap, 'sys_mmap'],
  [SYS_lseek, 'sys_lseek'],
  [
    SYS___sysctl,
    'sysctl',
    { pointer: 0, size: SYSCTL_NAME_SIZE },
    { pointer: 2, size: SYSCTL_VALUE_SIZE, write: true },
    { pointer: 3, size: 8, write: true },
    { pointer: 4, size: SYSCTL_VALUE_SIZE },
  ],
  [SYS_gettimeofday, 'sys_gettimeofday', { pointer: 0, size: TIME_SIZE, write: true }],
  [SYS_settimeofday, 'sys_settimeofday', { pointer: 0, size: TIME_SIZE }],
  [
    SYS_adjtime,
    'sys_adjtime',
    { pointer: 0, size: TIME_SIZE },
    { pointer: 1, size: TIME_SIZE, write: true },
  ],
  [SYS_clock_gettime, 'sys_clock_gettime', { pointer: 1, size: TIME_SIZE, write: true }],
  [SYS_clock_settime, 'sys_clock_settime', { pointer: 1, size: TIME_SIZE }],
  [SYS_clock_getres, 'sys_clock_getres', { pointer: 1, size: TIME_SIZE, write: true }],
  [SYS_nanosleep, 'sys_nanosleep', { pointer: 0, size: TIME_SIZE }],
  [SYS___wait450, 'sys_wait4', { pointer: 1, size: 4, write: true }],
];
