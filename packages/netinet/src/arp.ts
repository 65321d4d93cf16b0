/*
 * ARP (RFC 826; RFC 1122, 2.3.2): who has an IPv4 address, and what waits until that is known.
 *
 * An entry that nobody uses stays as it is until its place is needed.
 */
import type { Callout, Cpu } from '@port-xen/kern';
import type { View } from '@port-xen/layout';
import { ARPOP_REPLY, ARPOP_REQUEST, type ArpPacket, buildArp, parseArp } from './arp-packet.ts';
import {
  type ArpEntry,
  AT_FAILED,
  AT_FREE,
  AT_INCOMPLETE,
  AT_PROBE,
  AT_REACHABLE,
  arp_data,
  arpEntry,
  NARP,
} from './arp-var.ts';
import { EHOSTDOWN, ENOBUFS } from './errno.ts';
import { ETHER_ADDR_LEN, etherBroadcast, isGroup, putEther, sameAddress } from './ether.ts';
import type { Ifnets, IfnetView } from './ifnet.ts';
import { INADDR_BROADCAST, isUnicast } from './in-addr.ts';
import type { Mbufs } from './mbuf.ts';
import { HZ, isPending, type NetClock } from './net-clock.ts';

/** Packets that wait for one answer. */
export const ARP_HOLD_MAX = 4;
const KEEP_NS = 20 * 60e9;
const DOWN_NS = 20e9;
/** Requests, one a second, before the host counts as down. */
const ASK_MAX = 5;
/** An entry is not asked for again before this: the timer runs for all of them, each second. */
const ASK_AGAIN_NS = 0.5e9;
const DEFEND_NS = 10e9;

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

  #entries(): ArpEntry[] {
    const { entries } = this.d;
    return Array.from({ length: NARP }, (_, i) => entries.at(i));
  }

  #lookup(ifp: IfnetView, address: number): ArpEntry | undefined {
    const { entries } = this.d;
    for (let i = 0; i < NARP; i++) {
      const at = entries.at(i);
      if (at.at_addr === address && at.at_state !== AT_FREE && at.at_ifp === ifp.address) return at;
    }
    return undefined;
  }

  /** A new entry; the one that was not used for the longest time makes room. */
  #create(ifp: IfnetView, address: number, state: number): ArpEntry {
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

  #dropHeld(at: ArpEntry): void {
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

  #hold(at: ArpEntry, frame: Uint8Array, csum: number): number {
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

  #ask(at: ArpEntry): void {
    const ifp = this.ifnets.at(at.at_ifp);
    at.at_asked++;
    // What is known is asked for by unicast (RFC 1122, 2.3.2.1).
    const to = at.at_state === AT_PROBE ? at.at_lladdr : etherBroadcast();
    const tha = new Uint8Array(ETHER_ADDR_LEN);
    this.#send(ifp, { op: ARPOP_REQUEST, spa: ifp.ia_addr, tha, tpa: at.at_addr }, to);
    at.at_expire = this.clock.uptime_ns() + ASK_AGAIN_NS;
    this.#arm();
  }

  /** One timer looks after all entries; it runs each second while one is asked for. */
  #arm(): void {
    const ch = this.d.arp_ch;
    if (!isPending(ch)) this.callout.reset(ch.address, HZ, this.cpu.sym('arp_timer'), 0);
  }

  /** Each second while something is asked for. */
  timer(): void {
    const now = this.clock.uptime_ns();
    for (const at of this.#entries()) {
      if (at.at_state !== AT_INCOMPLETE && at.at_state !== AT_PROBE) continue;
      if (now < at.at_expire) {
        this.#arm();
      } else if (at.at_asked < ASK_MAX) {
        this.#ask(at);
      } else {
        at.at_state = AT_FAILED;
        at.at_expire = now + DOWN_NS;
        this.#dropHeld(at);
      }
    }
  }

  #send(ifp: IfnetView, packet: Omit<ArpPacket, 'sha'>, to: Uint8Array): void {
    this.ifnets.send(ifp, buildArp({ ...packet, sha: ifp.if_lladdr }, to));
  }

  /** An ARP frame. */
  input(ifp: IfnetView, frame: Uint8Array): void {
    const packet = parseArp(frame);
    if (packet === undefined) return;
    const { op, sha, spa, tpa } = packet;
    if (isGroup(sha) || sameAddress(sha, ifp.if_lladdr) || ifp.ia_addr === 0) return;
    if (spa === ifp.ia_addr) {
      this.#conflict(ifp);
      return;
    }
    const forUs = tpa === ifp.ia_addr;
    const neighbour = isUnicast(spa) && ((spa ^ ifp.ia_addr) & ifp.ia_netmask) === 0;
    if (neighbour) this.#learn(ifp, spa, sha, forUs);
    if (!forUs || op !== ARPOP_REQUEST) return;
    this.#send(ifp, { op: ARPOP_REPLY, spa: ifp.ia_addr, tha: sha, tpa: spa }, sha);
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
      this.mbufs.overwrite(m, 0, lladdr);
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
    const tha = new Uint8Array(ETHER_ADDR_LEN);
    const packet = { op: ARPOP_REQUEST, spa: ifp.ia_addr, tha, tpa: ifp.ia_addr };
    this.#send(ifp, packet, etherBroadcast());
  }
}
