/*
 * What Xen pushes on the guest's stack when it enters the guest.
 *
 * xen/arch/x86/x86_64/entry.S (no header)
 */
import { struct, u64 } from '@port-xen/layout';

/** `struct frame_bounce`, 56 bytes. */
export const frame_bounce = struct('frame_bounce', {
  rcx: u64,
  r11: u64,
  rip: u64,
  cs_and_mask: u64,
  rflags: u64,
  rsp: u64,
  ss: u64,
});

/** `struct frame_bounce_errcode`, 64 bytes. */
export const frame_bounce_errcode = struct('frame_bounce_errcode', {
  rcx: u64,
  r11: u64,
  error_code: u64,
  rip: u64,
  cs_and_mask: u64,
  rflags: u64,
  rsp: u64,
  ss: u64,
});

/** `struct frame_failsafe`, 88 bytes. */
export const frame_failsafe = struct('frame_failsafe', {
  rcx: u64,
  r11: u64,
  ds: u64,
  es: u64,
  fs: u64,
  gs: u64,
  rip: u64,
  cs_and_mask: u64,
  rflags: u64,
  rsp: u64,
  ss: u64,
});
