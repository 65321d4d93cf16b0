/*
 * When a lease is renewed, rebound and over (RFC 2131, 4.4.5): T1 at half of it and T2 at seven eighths, unless the server says otherwise.
 */
import type { DhcpReply } from './dhcp-message.ts';

/** A lease without an end. */
const INFINITE = 0xffff_ffff;

/** Uptimes in ms; all 0 for a lease without an end. */
export interface LeaseTimes {
  readonly t1: number;
  readonly t2: number;
  readonly expire: number;
}

/** @param now uptime, ms */
export const leaseTimes = (reply: DhcpReply, now: number): LeaseTimes => {
  if (reply.lease === INFINITE) return { t1: 0, t2: 0, expire: 0 };
  const lease_ms = reply.lease * 1000;
  const t2_ms = Math.min(lease_ms, reply.t2 !== 0 ? reply.t2 * 1000 : (lease_ms * 7) / 8);
  const t1_ms = Math.min(t2_ms, reply.t1 !== 0 ? reply.t1 * 1000 : lease_ms / 2);
  return { t1: now + Math.floor(t1_ms), t2: now + Math.floor(t2_ms), expire: now + lease_ms };
};
