/*
 * The ARP table in memory.
 *
 *     INCOMPLETE ── answer ──► REACHABLE ── 20 min, then used ──► PROBE ── answer ──► REACHABLE
 *          └── 5 s without an answer ──► FAILED (20 s: nothing is asked) ◄── 5 s without ──┘
 */
import { callout } from '@port-xen/kern';
import { array, bytes, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { ETHER_ADDR_LEN } from './ether.ts';

export const NARP = 32;

export const AT_FREE = 0;
export const AT_INCOMPLETE = 1;
export const AT_REACHABLE = 2;
export const AT_PROBE = 3;
export const AT_FAILED = 4;

export const arpEntry = struct('arp_entry', {
  at_state: u32,
  at_addr: u32,
  at_ifp: i64,
  at_lladdr: bytes(ETHER_ADDR_LEN),
  at_asked: u32,
  /** Uptime, ns: until when it is believed; while it is asked for, when it may be asked for again. */
  at_expire: u64,
  at_used: u64,
  /** Packets that wait, oldest first. */
  at_hold: i64,
  at_nhold: u32,
});

export type ArpEntry = View<typeof arpEntry>;

export const arp_data = struct('arp_data', {
  arp_ch: nest(callout),
  arp_conflicts: u64,
  arp_defended: u64,
  arp_dropped: u64,
  entries: array(arpEntry, NARP),
});
