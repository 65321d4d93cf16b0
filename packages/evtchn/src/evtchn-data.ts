/*
 * What event dispatch keeps: which port has which handler, and which VIRQ has which port.
 */
import { NR_VIRQS } from '@port-xen/abi';
import { array, bytes, i32, i64, struct, u8, u32 } from '@port-xen/layout';

/** Ports of the two-level ABI; Xen 2 has a quarter of them. */
export const NR_EVENT_CHANNELS = 4096;
/** Ports that can have a handler at once. */
export const NEVTSOURCE = 64;

export const evtsource = struct('evtsource', {
  ev_port: u32,
  ev_maxlevel: u32,
  ev_func: i64,
  ev_arg: i64,
  /** An event was taken off the shared page and waits for the level to fall. */
  ev_pending: u32,
  ev_evname: bytes(16),
});

export const evtchn_data = struct('evtchn_data', {
  /** Slot of a port, plus one; 0: no handler. */
  slot_of: array(u8, NR_EVENT_CHANNELS),
  sources: array(evtsource, NEVTSOURCE),
  virq_to_evtch: array(i32, NR_VIRQS),
});
