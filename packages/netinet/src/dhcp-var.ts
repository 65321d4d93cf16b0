/*
 * The DHCP client's memory, and the names of its states (RFC 2131, 4.4, figure 5).
 */
import { callout } from '@port-xen/kern';
import { i64, nest, struct, u32, u64 } from '@port-xen/layout';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

export const DHCP_OFF = 0;
export const DHCP_SELECTING = 1;
export const DHCP_REQUESTING = 2;
export const DHCP_BOUND = 3;
export const DHCP_RENEWING = 4;
export const DHCP_REBINDING = 5;
export const DHCP_REBOOTING = 6;

export const dhcp_data = struct('dhcp_data', {
  dh_state: u32,
  dh_xid: u32,
  dh_ifp: i64,
  dh_tries: u32,
  dh_addr: u32,
  dh_server: u32,
  /** A name server's address, for programs; 0: none was given. */
  dh_dns: u32,
  /** Uptime, ms; 0: never. */
  dh_t1: u64,
  dh_t2: u64,
  dh_expire: u64,
  dh_ch: nest(callout),
});
