/*
 * Reassembly of IPv4 fragments (RFC 791, 3.2; RFC 815).
 *
 *     queue (ipq): src, dst, id, proto      ── iq_frags ──► mbuf packet ─► mbuf packet ─► …   by m_off
 *
 * At most NIPQ datagrams and IPQ_MBUFS_MAX mbufs wait; the oldest datagram makes room. A fragment that overlaps another
 * with other bounds ends the whole datagram (as RFC 5722 asks for IPv6), because nobody honest sends one.
 */
import { type Callout, type Cpu, callout } from '@port-xen/kern';
import { array, bytes, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { get16, get32, put16 } from './in-addr.ts';
import { inCksum } from './in-cksum.ts';
import { type Mbufs, MCLBYTES } from './mbuf.ts';
import { HZ, isPending, type NetClock } from './net-clock.ts';

export const NIPQ = 16;
export const IPQ_MBUFS_MAX = 64;
/** How long fragments wait for the rest (NetBSD's IPFRAGTTL). */
const FRAG_NS = 30e9;
const IP_MAXPACKET = 65535;
/** Header without options and eight bytes: what an ICMP error quotes. */
const QUOTE = 28;

const ipq = struct('ipq', {
  iq_used: u32,
  iq_src: u32,
  iq_dst: u32,
  iq_id: u32,
  iq_proto: u32,
  /** Bytes of payload once the last fragment is here; 0 until then. */
  iq_total: u32,
  iq_have: u32,
  iq_mbufs: u32,
  iq_frags: i64,
  /** Uptime, ns. */
  iq_expire: u64,
  /** The first fragment's header, without options, and its first eight bytes; iq_first says that they are there. */
  iq_first: u32,
  iq_quote: bytes(QUOTE),
});

type Ipq = View<typeof ipq>;

export const ip_reass_data = struct('ip_reass_data', {
  iq_ch: nest(callout),
  ips_fragments: u64,
  ips_fragdropped: u64,
  ips_fragtimeout: u64,
  ips_reassembled: u64,
  queues: array(ipq, NIPQ),
});

export class IpReass {
  readonly cpu: Cpu;
  readonly data: number;
  readonly mbufs: Mbufs;
  readonly callout: Callout;
  readonly clock: NetClock;

  constructor(cpu: Cpu, data: number, mbufs: Mbufs, callouts: Callout, clock: NetClock) {
    this.cpu = cpu;
    this.data = data;
    this.mbufs = mbufs;
    this.callout = callouts;
    this.clock = clock;
  }

  get d(): View<typeof ip_reass_data> {
    return ip_reass_data.at(this.cpu.memory, this.data);
  }

  #queues(): Ipq[] {
    const { queues } = this.d;
    return Array.from({ length: NIPQ }, (_, i) => queues.at(i));
  }

  /** Takes a fragment. @param off bytes @returns the whole datagram when this was the last one missing */
  input(packet: Uint8Array, hlen: number, off: number, more: boolean): Uint8Array | undefined {
    const d = this.d;
    d.ips_fragments++;
    const payload = packet.subarray(hlen);
    const end = off + payload.length;
    if (payload.length === 0 || end + hlen > IP_MAXPACKET || (more && payload.length % 8 !== 0)) {
      d.ips_fragdropped++;
      return undefined;
    }
    const q = this.#find(packet);
    if (q.iq_total !== 0 && (more ? end >= q.iq_total : end !== q.iq_total)) return this.#drop(q);
    const placed = this.#insert(q, payload, off, more);
    if (placed === 'duplicate') return undefined;
    if (placed === 'refused') return this.#drop(q);
    if (!more) q.iq_total = end;
    if (off === 0) {
      const quote = new Uint8Array(QUOTE);
      quote.set(packet.subarray(0, 20));
      quote.set(payload.subarray(0, 8), 20);
      quote[0] = 0x45;
      q.iq_quote = quote;
      q.iq_first = 1;
    }
    return q.iq_total !== 0 && q.iq_have === q.iq_total ? this.#whole(q) : undefined;
  }

  #find(packet: Uint8Array): Ipq {
    const key = [get32(packet, 12), get32(packet, 16), get16(packet, 4), packet[9]];
    const queues = this.#queues();
    const found = queues.find(
      (q) =>
        q.iq_used !== 0 &&
        q.iq_src === key[0] &&
        q.iq_dst === key[1] &&
        q.iq_id === key[2] &&
        q.iq_proto === key[3],
    );
    if (found !== undefined) return found;
    let q = queues.find((other) => other.iq_used === 0);
    if (q === undefined) {
      q = queues.reduce((a, b) => (b.iq_expire < a.iq_expire ? b : a));
      this.#drop(q);
    }
    q.iq_used = 1;
    q.iq_src = key[0] as number;
    q.iq_dst = key[1] as number;
    q.iq_id = key[2] as number;
    q.iq_proto = key[3] as number;
    q.iq_expire = this.clock.uptime_ns() + FRAG_NS;
    this.#arm();
    return q;
  }

  /** One timer looks after all; it runs each second while anything waits. */
  #arm(): void {
    const ch = this.d.iq_ch;
    if (!isPending(ch)) this.callout.reset(ch.address, HZ, this.cpu.sym('ip_reass_timer'), 0);
  }

  /** Puts a fragment in its place. What comes after the last fragment, or overlaps, is refused. */
  #insert(
    q: Ipq,
    payload: Uint8Array,
    off: number,
    more: boolean,
  ): 'placed' | 'duplicate' | 'refused' {
    let previous = 0;
    let next = q.iq_frags;
    while (next !== 0 && this.mbufs.at(next).m_off < off) {
      previous = next;
      next = this.mbufs.at(next).m_nextpkt;
    }
    const end = off + payload.length;
    if (next !== 0) {
      const after = this.mbufs.at(next);
      if (after.m_off === off && after.m_pktlen === payload.length) return 'duplicate';
      if (after.m_off < end || !more) return 'refused';
    }
    if (previous !== 0) {
      const before = this.mbufs.at(previous);
      if (before.m_off + before.m_pktlen > off) return 'refused';
    }
    const needed = Math.ceil(payload.length / MCLBYTES);
    const held = this.#queues().reduce((sum, other) => sum + other.iq_mbufs, 0);
    const m = held + needed > IPQ_MBUFS_MAX ? 0 : this.mbufs.fromBytes(payload);
    if (m === 0) return 'refused';
    const fragment = this.mbufs.at(m);
    fragment.m_off = off;
    fragment.m_nextpkt = next;
    if (previous === 0) q.iq_frags = m;
    else this.mbufs.at(previous).m_nextpkt = m;
    q.iq_have += payload.length;
    q.iq_mbufs += needed;
    return 'placed';
  }

  #whole(q: Ipq): Uint8Array | undefined {
    const whole = new Uint8Array(20 + q.iq_total);
    whole.set(q.iq_quote.subarray(0, 20));
    for (let m = q.iq_frags; m !== 0; m = this.mbufs.at(m).m_nextpkt) {
      whole.set(this.mbufs.toBytes(m), 20 + this.mbufs.at(m).m_off);
    }
    put16(whole, 2, whole.length);
    put16(whole, 6, 0);
    put16(whole, 10, 0);
    put16(whole, 10, inCksum(whole, 0, 20));
    this.#free(q);
    this.d.ips_reassembled++;
    return whole;
  }

  #free(q: Ipq): void {
    this.mbufs.freeQueue(q.iq_frags);
    this.cpu.memory.write(q.address, new Uint8Array(ipq.size));
  }

  #drop(q: Ipq): undefined {
    this.d.ips_fragdropped++;
    this.#free(q);
    return undefined;
  }

  /**
   * Gives up what waited too long.
   * @returns header and eight bytes of each datagram whose first fragment had come (RFC 1122, 3.3.2)
   */
  expire(): Uint8Array[] {
    const now = this.clock.uptime_ns();
    const quotes: Uint8Array[] = [];
    let waiting = false;
    for (const q of this.#queues()) {
      if (q.iq_used === 0) continue;
      if (q.iq_expire > now) {
        waiting = true;
        continue;
      }
      this.d.ips_fragtimeout++;
      if (q.iq_first !== 0) quotes.push(q.iq_quote);
      this.#free(q);
    }
    if (waiting) this.#arm();
    return quotes;
  }
}
