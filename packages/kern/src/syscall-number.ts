/*
 * System calls, by NetBSD's numbers (sys/syscall.h).
 */
export const SYS_exit = 1;
export const SYS_fork = 2;
export const SYS_read = 3;
export const SYS_write = 4;
export const SYS_open = 5;
export const SYS_close = 6;
export const SYS_getpid = 20;
export const SYS_kill = 37;
export const SYS_execve = 59;
export const SYS_munmap = 73;
export const SYS_fsync = 95;
export const SYS_mmap = 197;
export const SYS_lseek = 199;
export const SYS___sysctl = 202;
export const SYS_gettimeofday = 418;
export const SYS_settimeofday = 419;
export const SYS_adjtime = 421;
export const SYS_clock_gettime = 427;
export const SYS_clock_settime = 428;
export const SYS_clock_getres = 429;
export const SYS_nanosleep = 430;
export const SYS___wait450 = 449;
export const SYS_MAXSYSCALL = 450;
