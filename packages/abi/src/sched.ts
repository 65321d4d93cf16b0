/*
 * Scheduling and shutdown.
 *
 * xen/include/public/sched.h
 */
import { i32, i64, struct, u16, u32, u64 } from '@port-xen/layout';

export const SCHEDOP_yield = 0;
export const SCHEDOP_block = 1;
export const SCHEDOP_shutdown = 2;
export const SCHEDOP_poll = 3;
export const SCHEDOP_watchdog = 6;
export const SCHEDOP_pin_override = 7;
export const SCHEDOP_remote_shutdown = 4;
export const SCHEDOP_shutdown_code = 5;

export const SHUTDOWN_poweroff = 0;
export const SHUTDOWN_reboot = 1;
export const SHUTDOWN_suspend = 2;
export const SHUTDOWN_crash = 3;
export const SHUTDOWN_watchdog = 4;
export const SHUTDOWN_MAX = 5;
export const SHUTDOWN_soft_reset = 5;

/** `struct sched_shutdown`, 4 bytes. */
export const sched_shutdown = struct('sched_shutdown', {
  reason: u32,
});

/** `struct sched_poll`, 24 bytes. */
export const sched_poll = struct('sched_poll', {
  ports: i64,
  nr_ports: u32,
  timeout: u64,
});

/** `struct sched_remote_shutdown`, 8 bytes. */
export const sched_remote_shutdown = struct('sched_remote_shutdown', {
  domain_id: u16,
  reason: u32,
});

/** `struct sched_watchdog`, 8 bytes. */
export const sched_watchdog = struct('sched_watchdog', {
  id: u32,
  timeout: u32,
});

/** `struct sched_pin_override`, 4 bytes. */
export const sched_pin_override = struct('sched_pin_override', {
  pcpu: i32,
});
