/*
 * ARP (RFC 826; RFC 1122, 2.3.2): who has an IPv4 address, and what waits until that is known.
 *
 *     packet:  | 1 | 0x0800 | 6 | 4 | op | sha (6) | spa (4) | tha (6) | tpa (4) |
 *
 *     INCOMPLETE ── answer ──► REACHABLE ── 20 min, then used ──► PROBE ── answer ──► REACHABLE
 *          └── 5 s without an answer ──► FAILED (20 s: nothing is asked) ◄── 5 s without ──┘
 *
 * An entry that nobody uses stays as it is until its place is needed.
 */
import { type Callout, type Cpu, callout } from '@port-xen/kern';
import { array, bytes, i64, nest, struct, u32, u64, type View } from '@port-xen/layout';
import { EHOSTDOWN, ENOBUFS } from './errno.ts';
import {
  ETHER_HDR_LEN,
  ETHERTYPE_ARP,
  etherBroadcast,
  isGroup,
  putEther,
  sameAddress,
} from './ether.ts';
import { ETHER_ADDR_LEN, type Ifnets, type IfnetView } from './ifnet.ts';
import { get16, get32, INADDR_BROADCAST, isUnicast, put16, put32 } from './in-addr.ts';
import type { Mbufs } from './mbuf.ts';
import { HZ, type NetClock } from './net-clock.ts';

const NARP = 32;
/** Packets that wait for one answer. */
export const ARP_HOLD_MAX = 4;
const ARP_LEN = 28;
const OP_REQUEST = 1;
const OP_REPLY = 2;
const KEEP_NS = 20 * 60e9;
const DOWN_NS = 20e9;
/** Requests, one a second, before the host counts as down. */
const ASK_MAX = 5;
const DEFEND_NS = 10e9;

const AT_FREE = 0;
const AT_INCOMPLETE = 1;
const AT_REACHABLE = 2;
const AT_PROBE = 3;
const AT_FAILED = 4;

const arpEntry = struct('arp_entry', {
  at_state: u32,
  at_addr: u32,
  at_ifp: i64,
  at_lladdr: bytes(ETHER_ADDR_LEN),
  at_asked: u32,
  /** Uptime, ns. */
  at_expire: u64,
  at_used: u64,
  /** Packets that wait, oldest first. */
  at_hold: i64,
  at_nhold: u32,
});

type Entry = View<typeof arpEntry>;

export const arp_data = struct('arp_data', {
  arp_ch: nest(callout),
  arp_conflicts: u64,
  arp_defended: u64,
  arp_dropped: u64,
  entries: array(arpEntry, NARP),
});

export class Arp {
  readonly cpu: Cpu;
  readonly data: number;
  readonly mbufs: Mbufs;
  readonly ifnets: Ifnets;
  readonly callout: Callout;
  readonly clock: NetClock;

  constructor(
    cpu: Cpu,
    data: number,
    mbufs: Mbufs,
    ifnets: Ifnets,
    callouts: Callout,
    clock: NetClock,
  ) {
    this.cpu = cpu;
    this.data = data;
    this.mbufs = mbufs;
    this.ifnets = ifnets;
    this.callout = callouts;
    this.clock = clock;
  }

  get d(): View<typeof arp_data> {
    return arp_data.at(this.cpu.memory, this.data);
  }

  #entries(): Entry[] {
    const { entries } = this.d;
    return Array.from({ length: NARP }, (_, i) => entries.at(i));
  }

  #lookup(ifp: IfnetView, address: number): Entry | undefined {
    return this.#entries().find(
      (at) => at.at_state !== AT_FREE && at.at_addr === address && at.at_ifp === ifp.address,
    );
  }

  /** A new entry; the one that was not used for the longest time makes room. */
  #create(ifp: IfnetView, address: number, state: number): Entry {
    const entries = this.#entries();
    const at =
      entries.find((other) => other.at_state === AT_FREE) ??
      entries.reduce((a, b) => (b.at_used < a.at_used ? b : a));
    this.#dropHeld(at);
    this.cpu.memory.write(at.address, new Uint8Array(arpEntry.size));
    at.at_state = state;
    at.at_addr = address;
    at.at_ifp = ifp.address;
    return at;
  }

  #dropHeld(at: Entry): void {
    this.d.arp_dropped += at.at_nhold;
    this.mbufs.freeQueue(at.at_hold);
    at.at_hold = 0;
    at.at_nhold = 0;
  }

  /** Sends an IPv4 packet that has room for its Ethernet header. @param csum M_CSUM_* @returns 0 or an errno */
  output(ifp: IfnetView, nexthop: number, frame: Uint8Array, csum: number, type: number): number {
    if (nexthop === INADDR_BROADCAST) {
      putEther(frame, etherBroadcast(), ifp.if_lladdr, type);
      return this.ifnets.send(ifp, frame, csum);
    }
    const now = this.clock.uptime_ns();
    let at = this.#lookup(ifp, nexthop);
    if (at?.at_state === AT_FAILED) {
      if (now < at.at_expire) return EHOSTDOWN;
      at.at_state = AT_FREE;
      at = undefined;
    }
    if (at === undefined) {
      at = this.#create(ifp, nexthop, AT_INCOMPLETE);
      this.#ask(at);
    }
    at.at_used = now;
    putEther(frame, at.at_lladdr, ifp.if_lladdr, type);
    if (at.at_state === AT_INCOMPLETE) return this.#hold(at, frame, csum);
    if (at.at_state === AT_REACHABLE && now >= at.at_expire) {
      at.at_state = AT_PROBE;
      at.at_asked = 0;
      this.#ask(at);
    }
    return this.ifnets.send(ifp, frame, csum);
  }

  #hold(at: Entry, frame: Uint8Array, csum: number): number {
    if (at.at_nhold === ARP_HOLD_MAX) {
      const oldest = at.at_hold;
      at.at_hold = this.mbufs.at(oldest).m_nextpkt;
      at.at_nhold--;
      this.mbufs.freem(oldest);
      this.d.arp_dropped++;
    }
    const m = this.mbufs.fromBytes(frame);
    if (m === 0) return ENOBUFS;
    this.mbufs.at(m).m_csum = csum;
    if (at.at_hold === 0) at.at_hold = m;
    else {
      let last = this.mbufs.at(at.at_hold);
      while (last.m_nextpkt !== 0) last = this.mbufs.at(last.m_nextpkt);
      last.m_nextpkt = m;
    }
    at.at_nhold++;
    return 0;
  }

  #ask(at: Entry): void {
    const ifp = this.ifnets.at(at.at_ifp);
    at.at_asked++;
    // What is known is asked for by unicast (RFC 1122, 2.3.2.1).
    const to = at.at_state === AT_PROBE ? at.at_lladdr : etherBroadcast();
    this.#send(ifp, OP_REQUEST, to, new Uint8Array(ETHER_ADDR_LEN), ifp.ia_addr, at.at_addr);
    this.callout.reset(this.d.arp_ch.address, HZ, this.cpu.sym('arp_timer'), 0);
  }

  #send(
    ifp: IfnetView,
    op: number,
    to: Uint8Array,
    tha: Uint8Array,
    spa: number,
    tpa: number,
  ): void {
    const frame = new Uint8Array(ETHER_HDR_LEN + ARP_LEN);
    putEther(frame, to, ifp.if_lladdr, ETHERTYPE_ARP);
    const p = frame.subarray(ETHER_HDR_LEN);
    p.set([0, 1, 8, 0, ETHER_ADDR_LEN, 4]);
    put16(p, 6, op);
    p.set(ifp.if_lladdr, 8);
    put32(p, 14, spa);
    p.set(tha, 18);
    put32(p, 24, tpa);
    this.ifnets.send(ifp, frame);
  }

  /** Each second while something is asked for. */
  timer(): void {
    let asking = false;
    for (const at of this.#entries()) {
      if (at.at_state !== AT_INCOMPLETE && at.at_state !== AT_PROBE) continue;
      if (at.at_asked < ASK_MAX) {
        this.#ask(at);
        asking = true;
      } else {
        at.at_state = AT_FAILED;
        at.at_expire = this.clock.uptime_ns() + DOWN_NS;
        this.#dropHeld(at);
      }
    }
    if (asking) this.callout.reset(this.d.arp_ch.address, HZ, this.cpu.sym('arp_timer'), 0);
  }

  /** An ARP frame. */
  input(ifp: IfnetView, frame: Uint8Array): void {
    const p = frame.subarray(ETHER_HDR_LEN);
    if (p.length < ARP_LEN || get32(p, 0) !== 0x0001_0800 || get16(p, 4) !== 0x0604) return;
    const op = get16(p, 6);
    if (op !== OP_REQUEST && op !== OP_REPLY) return;
    const sha = p.slice(8, 14);
    const spa = get32(p, 14);
    const tpa = get32(p, 24);
    if (isGroup(sha) || sameAddress(sha, ifp.if_lladdr) || ifp.ia_addr === 0) return;
    if (spa === ifp.ia_addr) {
      this.#conflict(ifp);
      return;
    }
    const forUs = tpa === ifp.ia_addr;
    const neighbour = isUnicast(spa) && ((spa ^ ifp.ia_addr) & ifp.ia_netmask) === 0;
    if (neighbour) this.#learn(ifp, spa, sha, forUs);
    if (forUs && op === OP_REQUEST) this.#send(ifp, OP_REPLY, sha, sha, ifp.ia_addr, spa);
  }

  /** RFC 826: an entry that is there is brought up to date; a new one is made only for whoever speaks to us. */
  #learn(ifp: IfnetView, address: number, lladdr: Uint8Array, create: boolean): void {
    let at = this.#lookup(ifp, address);
    if (at === undefined && create) at = this.#create(ifp, address, AT_REACHABLE);
    if (at === undefined) return;
    const now = this.clock.uptime_ns();
    at.at_state = AT_REACHABLE;
    at.at_lladdr = lladdr;
    at.at_asked = 0;
    at.at_expire = now + KEEP_NS;
    at.at_used = now;
    let m = at.at_hold;
    at.at_hold = 0;
    at.at_nhold = 0;
    while (m !== 0) {
      const packet = this.mbufs.at(m);
      const next = packet.m_nextpkt;
      packet.m_nextpkt = 0;
      this.cpu.memory.write(packet.m_data, lladdr);
      this.ifnets.sendMbuf(ifp, m);
      m = next;
    }
  }

  /** Somebody else uses our address: it is defended, not more than once in ten seconds (RFC 5227, 2.4 (b)). */
  #conflict(ifp: IfnetView): void {
    const d = this.d;
    d.arp_conflicts++;
    const now = this.clock.uptime_ns();
    if (d.arp_defended !== 0 && now - d.arp_defended < DEFEND_NS) return;
    d.arp_defended = now;
    this.sendAnnouncement(ifp);
  }

  /** Gratuitous ARP: says on the wire which port and address are ours (RFC 5227, 3). */
  sendAnnouncement(ifp: IfnetView): void {
    if (ifp.ia_addr === 0) return;
    const none = new Uint8Array(ETHER_ADDR_LEN);
    this.#send(ifp, OP_REQUEST, etherBroadcast(), none, ifp.ia_addr, ifp.ia_addr);
  }
}
