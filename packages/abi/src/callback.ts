/*
 * Entry points that a guest registers.
 *
 * xen/include/public/callback.h
 */
import { struct, u16, u64 } from '@port-xen/layout';

export const CALLBACKF_mask_events = 1;

export const CALLBACKOP_register = 0;
export const CALLBACKOP_unregister = 1;

export const CALLBACKTYPE_event = 0;
export const CALLBACKTYPE_failsafe = 1;
export const CALLBACKTYPE_syscall = 2;
export const CALLBACKTYPE_nmi = 4;
export const CALLBACKTYPE_sysenter = 5;
export const CALLBACKTYPE_syscall32 = 7;
export const CALLBACKTYPE_sysenter_deprecated = 3;

/** `struct callback_register`, 16 bytes. */
export const callback_register = struct('callback_register', {
  type: u16,
  flags: u16,
  address_: u64,
});

/** `struct callback_unregister`, 4 bytes. */
export const callback_unregister = struct('callback_unregister', {
  type: u16,
  _unused: u16,
});
