/*
 * Connections that have not finished their handshake (NetBSD's syn_cache): what has to be remembered of a SYN and nothing
 * more, so that a flood of SYNs takes no socket, no buffer and no connection block.
 */
import { callout } from '@port-xen/kern';
import { i32, i64, nest, struct, u32, type View } from '@port-xen/layout';

/** Entries of all listeners together. */
export const NSYNCACHE = 32;

export const synEntry = struct('syn_cache', {
  sc_used: u32,
  /** The listener's connection block. */
  sc_listener: i64,
  sc_laddr: u32,
  sc_faddr: u32,
  sc_lport: u32,
  sc_fport: u32,
  sc_iss: u32,
  sc_irs: u32,
  /** What the peer's options said; -1: absent. */
  sc_mss: i32,
  sc_wscale: i32,
  sc_rcv_scale: u32,
  sc_tstmp: u32,
  sc_ts_recent: u32,
  sc_ts_offset: u32,
  /** The peer's window, not scaled. */
  sc_wnd: u32,
  /** The window that was offered. */
  sc_rcvwnd: u32,
  sc_rxtshift: u32,
  /** Order of arrival. */
  sc_stamp: u32,
  sc_ch: nest(callout),
});

export type SynEntry = View<typeof synEntry>;
